"""Two answers of one node are read one after the other, and the second only where it is news."""

import json
import threading

import pytest

from kench.pool.nodes.reading import TemplateReading

TIP, OTHER = "ab" * 32, "cd" * 32
LIMIT_S = 5.0


def answer(tip: str, **more: object) -> bytes:
    result = {"version": 1, "previousblockhash": tip, **more}
    return json.dumps({"result": result, "error": None, "id": 1}).encode()


def test_an_answer_that_repeats_is_left_unread() -> None:
    with TemplateReading(threading.Lock(), lambda tip: tip == TIP) as reading:
        assert reading.decode(answer(TIP) + b" no JSON at all") == {"result": None, "error": None}
    assert reading.repeated == TIP


def test_an_answer_on_another_tip_is_read() -> None:
    with TemplateReading(threading.Lock(), lambda tip: tip == TIP) as reading:
        assert reading.decode(answer(OTHER))["result"]["previousblockhash"] == OTHER
    assert reading.repeated is None


def test_a_tip_named_beyond_the_head_is_read_to_be_known() -> None:
    body = json.dumps({"result": {"pad": "x" * 5000, "previousblockhash": TIP}}).encode()
    with TemplateReading(threading.Lock(), lambda _: True) as reading:
        assert reading.decode(body)["result"]["previousblockhash"] == TIP


def test_the_second_answer_waits_until_the_first_is_taken() -> None:
    turn, known, read = threading.Lock(), set[str](), threading.Event()
    second = TemplateReading(turn, known.__contains__)

    def bring() -> None:
        with second:
            second.decode(answer(TIP))
            read.set()

    other = threading.Thread(target=bring)
    with TemplateReading(turn, known.__contains__) as first:
        first.decode(answer(TIP))
        other.start()
        assert not read.wait(0.05)
        known.add(TIP)
    other.join(LIMIT_S)
    assert read.is_set()
    assert second.repeated == TIP


def test_an_answer_that_is_no_json_gives_the_turn_back() -> None:
    turn = threading.Lock()
    with (
        pytest.raises(ValueError, match="Expecting value"),
        TemplateReading(turn, lambda _: False) as reading,
    ):
        reading.decode(b"<html>")
    assert not turn.locked()

"""Real clients' handshakes, replayed whole, cut at every byte, and glued into one segment.

Placeholders stand for what the server said. So that a share can be found for each client, the
pool's ceiling is the easiest difficulty; the start each client would get is tested elsewhere.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kench.stratum.session import State
from tests.support.sessions import (
    EASY,
    TOKEN,
    Miner,
    Pool,
    easy_limits,
    methods_of,
    parse_lines,
    pieces,
)

USER = "1.w1"
LIMITS = easy_limits(highest=EASY)
# What may come between the answers to subscribe and authorize (A3.6).
HARMLESS = {"mining.set_difficulty", "mining.notify", "mining.set_version_mask"}


class Handshake(NamedTuple):
    client: str
    reads: str
    lines: list[str]


HANDSHAKES = [
    Handshake(**one)
    for one in json.loads(
        (Path(__file__).parent.parent / "vectors" / "handshakes.json").read_text()
    )
]
each = pytest.mark.parametrize("handshake", HANDSHAKES, ids=lambda one: one.client)


def fill(line: str, miner: Miner) -> str:
    """Put in what the client would know by now."""
    line = line.replace("<user>", USER).replace("<token>", TOKEN).replace("<sid>", "5e550001")
    if "<job>" not in line:
        return line
    bits = 0x00C00000 if "<bits>" in line else None
    share = miner.share(USER, bits=bits)
    names = ("<user>", "<job>", "<xn2>", "<ntime>", "<nonce>", "<bits>")
    for name, text in zip(names, share, strict=False):
        line = line.replace(name, text)
    return line.replace("<short nonce>", share[4].lstrip("0") or "0")


def play(handshake: Handshake, pool: Pool) -> tuple[list[bytes], list[bytes], Miner]:
    """Play a handshake line by line; return the lines sent and what each was answered."""
    miner = pool.miner(LIMITS)
    sent, answers = [], []
    for line in handshake.lines:
        filled = fill(line, miner).encode() + b"\n"
        before = len(miner.raw)
        miner.feed(filled)
        sent.append(filled)
        answers.append(miner.raw[before:])
    return sent, answers, miner


@each
def test_every_request_is_answered_in_its_place_and_every_share_accepted(
    pool: Pool, handshake: Handshake
) -> None:
    sent, answers, miner = play(handshake, pool)
    assert miner.session.state is State.WORKING
    assert miner.session.closing is None
    for line, raw in zip(sent, answers, strict=True):
        request = json.loads(line)
        lines = parse_lines(raw)
        if request["id"] is None:
            assert lines == []
            continue
        first, *more = lines
        assert first["id"] == request["id"]
        assert type(first["id"]) is type(request["id"])
        assert all(line.get("id") is None and "method" in line for line in more)
        if request["method"] in {"mining.submit", "mining.authorize"}:
            assert first == {"id": request["id"], "result": True, "error": None}
    shares = sum(b"mining.submit" in line for line in sent)
    assert len(pool.taken()) == shares


@each
@pytest.mark.parametrize("size", [1, 2, 13, 1 << 20], ids="pieces of {}".format)
def test_cut_or_glued_the_answers_are_the_same(handshake: Handshake, size: int) -> None:
    """The same bytes in other segments bring the same bytes back, in the same order."""
    sent, answers, _ = play(handshake, Pool())
    miner = Pool().miner(LIMITS)
    for piece in pieces(b"".join(sent), size):
        miner.feed(piece)
    assert miner.raw == b"".join(answers)


@each
def test_split_in_two_at_every_byte_the_answers_are_the_same(handshake: Handshake) -> None:
    sent, answers, _ = play(handshake, Pool())
    data, expected = b"".join(sent), b"".join(answers)
    for at in range(1, len(data)):
        miner = Pool().miner(LIMITS)
        miner.feed(data[:at])
        miner.feed(data[at:])
        assert miner.raw == expected


@each
@pytest.mark.rule("A2.4", "A3.6", "A4.1")
def test_clients_that_read_one_line_read_the_right_one(pool: Pool, handshake: Handshake) -> None:
    """The first line after each request is its answer, as clients without ids in mind need it."""
    sent, answers, _ = play(handshake, pool)
    by_method = {
        json.loads(line)["method"]: (json.loads(line)["id"], parse_lines(raw))
        for line, raw in zip(sent, answers, strict=True)
    }
    request_id, (subscribed, *after) = by_method["mining.subscribe"]
    assert subscribed["id"] == request_id
    assert [entry[0] for entry in subscribed["result"][0]] == [
        "mining.set_difficulty",
        "mining.notify",
    ]
    assert after == []
    methods = [json.loads(line)["method"] for line in sent]
    start, end = methods.index("mining.subscribe"), methods.index("mining.authorize")
    for method in methods[start + 1 : end]:
        _, (_, *unasked) = by_method[method]
        assert set(methods_of(unasked)) <= HARMLESS
    _, (authorised, *work) = by_method["mining.authorize"]
    assert authorised["result"] is True
    assert methods_of(work) == ["mining.set_difficulty", "mining.notify"]


@each
def test_clients_that_read_by_shape_find_each_answer_by_it(
    pool: Pool, handshake: Handshake
) -> None:
    """ESP-Miner knows answers by their form: an array, an object, a bool."""
    sent, answers, _ = play(handshake, pool)
    shapes: dict[str, type[Any]] = {
        "mining.subscribe": list,
        "mining.configure": dict,
        "mining.authorize": bool,
        "mining.submit": bool,
        "mining.suggest_difficulty": bool,
        "mining.extranonce.subscribe": bool,
    }
    for line, raw in zip(sent, answers, strict=True):
        request = json.loads(line)
        if request["id"] is not None and request["method"] in shapes:
            assert type(parse_lines(raw)[0]["result"]) is shapes[request["method"]]


@pytest.mark.rule("A10.1")
def test_nicehash_hears_its_least_difficulty_first_of_all(pool: Pool) -> None:
    for handshake in HANDSHAKES:
        if handshake.client.startswith("NiceHash"):
            miner = pool.miner()
            for line in handshake.lines[:-1]:
                miner.feed(fill(line, miner).encode() + b"\n")
            told = [one for one in parse_lines(miner.raw) if one.get("method")]
            first = next(one for one in told if one["method"] == "mining.set_difficulty")
            assert first["params"][0] in {524_288, 1_048_576}

"""A job that pays anything else than the approved list, by one byte, is refused."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.clock import ManualClock
from kench.pool.coinbase import Output, coinbase_halves
from kench.pool.coinbase_outputs import Payee, outputs_by_weight
from kench.pool.custody import CustodyError, check_job, check_payments, read_coinbase
from kench.pool.job import Job, JobKeys, JobMaker
from kench.pool.template import Template
from tests.support.jobs import large_template, small_template
from tests.support.payees import Venue, lists_of_venues, venue

VENUES = [venue(1, 3), venue(2, 2), venue(3, 7)]
OTHER_SCRIPT = b"\x00\x14" + b"\xee" * 20
COMMITMENT = bytes.fromhex("6a24aa21a9ed") + bytes(range(32))


def made(template: Template, payees: Sequence[Payee] = VENUES) -> Job:
    def outputs(of: Template) -> tuple[Output, ...]:
        return outputs_by_weight(of.coinbase_value_sat, payees)

    return JobMaker(JobKeys(ManualClock()), outputs, b"/kench/").make(template)


def changed(job: Job, coinb1: bytes, coinb2: bytes) -> Job:
    """The same job with another coinbase, everywhere that it stands."""
    before = job.archived

    def line(sent: bytes) -> bytes:
        sent = sent.replace(before.coinb1.hex().encode(), coinb1.hex().encode())
        return sent.replace(before.coinb2.hex().encode(), coinb2.hex().encode())

    return dataclasses.replace(
        job,
        archived=dataclasses.replace(before, coinb1=coinb1, coinb2=coinb2),
        notify_clean=line(job.notify_clean),
        notify_more=line(job.notify_more),
    )


@pytest.mark.parametrize("template", [small_template, large_template])
def test_a_job_by_the_approved_list_passes(template: Callable[[], Template]) -> None:
    check_job(made(template()), template(), VENUES)


@given(st.integers(0, 21_000_000 * 10**8), lists_of_venues(), st.integers(0, 2**31 - 1))
def test_whatever_is_built_by_weight_passes(
    reward_sat: int, payees: list[Payee], height: int
) -> None:
    template = small_template(coinbase_value_sat=reward_sat, height=height)
    check_job(made(template, payees), template, payees)


@given(st.integers(0, 5000), lists_of_venues(4), st.data())
def test_of_all_ways_to_share_a_reward_only_one_passes(
    reward_sat: int, payees: list[Payee], data: st.DataObject
) -> None:
    lawful = [(one.script, one.amount_sat) for one in outputs_by_weight(reward_sat, payees)]
    other = [(script, max(0, amount + data.draw(st.integers(-2, 2)))) for script, amount in lawful]
    check_payments(lawful, reward_sat, payees)
    if other != lawful:
        with pytest.raises(CustodyError):
            check_payments(other, reward_sat, payees)


def test_every_changed_byte_of_what_is_paid_is_noticed() -> None:
    """Every byte behind the extranonces: sequence, counts, amounts, scripts, lock time."""
    template = small_template()
    job = made(template)
    coinb1, coinb2 = job.archived.coinb1, job.archived.coinb2
    for place, byte in enumerate(coinb2):
        for other in {byte ^ 1, byte ^ 0x80, 0, 0xFF, (byte + 1) % 256} - {byte}:
            mutated = coinb2[:place] + bytes([other]) + coinb2[place + 1 :]
            with pytest.raises(CustodyError):
                check_job(changed(job, coinb1, mutated), template, VENUES)


def test_every_changed_byte_before_the_free_text_of_the_script_is_noticed() -> None:
    template = small_template(height=900_000)
    job = made(template)
    coinb1, coinb2 = job.archived.coinb1, job.archived.coinb2
    for place in range(4 + 1 + 36 + 1 + 4):
        mutated = coinb1[:place] + bytes([coinb1[place] ^ 0x11]) + coinb1[place + 1 :]
        with pytest.raises(CustodyError):
            check_job(changed(job, mutated, coinb2), template, VENUES)


@given(st.data())
def test_bytes_left_out_or_put_in_anywhere_are_noticed(data: st.DataObject) -> None:
    template = small_template(height=900_000)
    job = made(template)
    coinb1, coinb2 = job.archived.coinb1, job.archived.coinb2
    place = data.draw(st.integers(0, len(coinb2)))
    inserted = coinb2[:place] + data.draw(st.binary(min_size=1, max_size=50)) + coinb2[place:]
    end = data.draw(st.integers(place, len(coinb2)))
    for mutated in {inserted, coinb2[:place] + coinb2[end:]} - {coinb2}:
        with pytest.raises(CustodyError):
            check_job(changed(job, coinb1, mutated), template, VENUES)


@given(st.binary(max_size=120), st.binary(max_size=700))
def test_any_bytes_are_a_coinbase_or_refused(coinb1: bytes, coinb2: bytes) -> None:
    with contextlib.suppress(CustodyError):
        read_coinbase(coinb1, coinb2)


def paying(outputs: Sequence[Output], commitment: bytes | None = None) -> tuple[Job, Template]:
    """A job whose coinbase has these outputs whatever the order says."""
    template = small_template()
    job = made(template)
    coinb1, coinb2 = coinbase_halves(
        template.height, outputs, commitment or template.witness_commitment, job.key, b"/kench/"
    )
    return changed(job, coinb1, coinb2), template


def lawful(template: Template | None = None) -> list[Output]:
    return list(outputs_by_weight((template or small_template()).coinbase_value_sat, VENUES))


def test_an_output_to_anybody_else_is_refused_and_named() -> None:
    for place in range(3):
        outputs = lawful()
        outputs[place] = Output(OTHER_SCRIPT, outputs[place].amount_sat)
        with pytest.raises(CustodyError, match=OTHER_SCRIPT.hex()):
            check_job(*paying(outputs), VENUES)


def test_an_output_more_is_refused_even_if_it_pays_nothing() -> None:
    for script in (OTHER_SCRIPT, b"\x6a\x04abcd", b""):
        for amount_sat in (0, 1):
            outputs = lawful()
            outputs[0] = Output(outputs[0].script, outputs[0].amount_sat - amount_sat)
            with pytest.raises(CustodyError, match="no approved venue"):
                check_job(*paying([*outputs, Output(script, amount_sat)]), VENUES)


def test_a_second_commitment_and_one_that_pays_are_refused() -> None:
    with pytest.raises(CustodyError, match="no approved venue"):
        check_job(*paying([*lawful(), Output(COMMITMENT, 0)]), VENUES)
    with pytest.raises(CustodyError, match="other transactions"):
        check_job(*paying(lawful(), COMMITMENT), VENUES)
    halves = coinbase_halves(1, [Output(COMMITMENT, 1)], None, 1)
    with pytest.raises(CustodyError, match="commitment that pays"):
        read_coinbase(*halves)
    halves = coinbase_halves(1, [Output(COMMITMENT + b"\x00", 0)], None, 1)
    with pytest.raises(CustodyError, match="too long"):
        read_coinbase(*halves)


def test_a_venue_left_out_or_paid_twice_is_refused() -> None:
    first, second, third = lawful()
    merged = Output(second.script, first.amount_sat + second.amount_sat)
    with pytest.raises(CustodyError, match="leaves out"):
        check_job(*paying([merged, third]), VENUES)
    halves = [Output(first.script, 1), Output(first.script, first.amount_sat - 1)]
    with pytest.raises(CustodyError, match="twice"):
        check_job(*paying([*halves, second, third]), VENUES)


def test_less_and_more_than_the_whole_reward_are_refused() -> None:
    for change in (-1, 1):
        outputs = lawful()
        outputs[1] = Output(outputs[1].script, outputs[1].amount_sat + change)
        with pytest.raises(CustodyError, match=r"pays (4999999999|5000000001) satoshi"):
            check_job(*paying(outputs), VENUES)


def test_one_satoshi_moved_from_venue_to_venue_is_refused() -> None:
    outputs = lawful()
    outputs[0] = Output(outputs[0].script, outputs[0].amount_sat - 1)
    outputs[2] = Output(outputs[2].script, outputs[2].amount_sat + 1)
    with pytest.raises(CustodyError, match=r"by its weight|largest remainder"):
        check_job(*paying(outputs), VENUES)


def test_a_list_of_another_height_does_not_fit() -> None:
    template = small_template()
    for others in (VENUES[:2], [*VENUES, venue(4)], [venue(1, 4), *VENUES[1:]], []):
        with pytest.raises(CustodyError):
            check_job(made(template), template, others)
    with pytest.raises(CustodyError, match="without weight"):
        check_job(made(template), template, [Venue("a", 0, b"a")])


def test_extranonces_that_reach_into_the_outputs_are_refused() -> None:
    template = small_template()
    job = made(template)
    whole = job.archived.coinb1 + bytes(12) + job.archived.coinb2
    for before in (len(job.archived.coinb1) - 1, len(job.archived.coinb1) + 30):
        with pytest.raises(CustodyError, match="elsewhere"):
            check_job(changed(job, whole[:before], whole[before + 12 :]), template, VENUES)


def test_the_line_for_miners_and_the_journal_must_say_the_same() -> None:
    template = small_template()
    job = made(template)
    other = made(template, VENUES[:1])
    for lines in (
        {"notify_clean": other.notify_clean},
        {"notify_more": other.notify_more},
        {"archived": other.archived},
    ):
        with pytest.raises(CustodyError, match="in its line for miners"):
            check_job(dataclasses.replace(job, **lines), template, VENUES)  # type: ignore[arg-type]


def test_another_height_and_another_reward_than_the_templates_are_refused() -> None:
    template = small_template()
    job = made(template)
    with pytest.raises(CustodyError, match="height"):
        check_job(job, dataclasses.replace(template, height=template.height + 1), VENUES)
    with pytest.raises(CustodyError, match="another reward"):
        check_job(job, dataclasses.replace(template, coinbase_value_sat=1), VENUES)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (b"\x01\x05", "more bytes than needed"),
        (b"\x02\x7f\x00", "more bytes than needed"),
        (b"\x01\x80", "with a height"),
        (b"\x06" + bytes(6), "with a height"),
        (b"\x4c\x01\x05", "with a height"),
    ],
)
def test_heights_written_otherwise_than_bip34_wants_are_refused(script: bytes, words: str) -> None:
    coinb1, coinb2 = coinbase_halves(900_000, lawful(), None, 1)
    head, rest = coinb1[:41], coinb1[42 + 4 :]
    mutated = head + bytes([coinb1[41] - 4 + len(script)]) + script + rest
    with pytest.raises(CustodyError, match=words):
        read_coinbase(mutated, coinb2)


def test_counts_in_longer_forms_are_read_or_refused() -> None:
    coinb1, coinb2 = coinbase_halves(900_000, [Output(OTHER_SCRIPT, 5)], None, 1)
    for longer, words in ((b"\xfd\x01\x00", "than needed"), (b"\xfe\x01\x00\x00\x00", "65535")):
        with pytest.raises(CustodyError, match=words):
            read_coinbase(coinb1, coinb2[:4] + longer + coinb2[5:])
    long_script = b"\x51" * 300
    facts = read_coinbase(*coinbase_halves(900_000, [Output(long_script, 5)], None, 1))
    assert facts.payments == ((long_script, 5),)
    assert facts.height == 900_000

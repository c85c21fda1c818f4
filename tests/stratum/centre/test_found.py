"""A found block's message: it is what the front found, and nobody's without its work done."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.native import JobTable, sha256d
from kench.pool.clock import ManualClock
from kench.stratum.centre.found import FoundStart, FoundUnreadableError, read_found
from kench.stratum.centre.outbox import put, waiting
from kench.stratum.front import Found
from tests.support.jobs import Jobs, large_template

NOW_US = ManualClock().now_us()


def mined() -> Found:
    """A block of regtest, whose target every second hash meets."""
    jobs = Jobs(JobTable(4), ManualClock())
    job = jobs.add(large_template())[0]
    share = bytes(4), bytes(8)
    for nonce in range(1000):
        header = job.prepared.header(*share, job.archived.ntime, nonce, job.archived.version)
        if sha256d(header)[31] < 0x7F:
            return Found(job, header, sha256d(header), *share, 1, 2)
    raise AssertionError("no block in a thousand hashes")


FOUND = mined()
START = FoundStart.of(FOUND, NOW_US)


def test_a_block_arrives_as_it_was_found() -> None:
    came = read_found(START.encode())
    assert came == START
    assert came.begun_hex.startswith(FOUND.header.hex())
    assert (came.facts.body_key, came.facts.transactions) == (FOUND.job.key, 3101)
    assert came.note["job"] == f"{FOUND.job.key:x}"


@given(at=st.integers(0, 1200), junk=st.binary(max_size=20), more=st.integers(0, 1200))
def test_whatever_is_written_is_refused_or_has_its_work_done(
    at: int, junk: bytes, more: int
) -> None:
    sent = START.encode()
    try:
        came = read_found(sent[:at] + junk + sent[at + more :])
    except FoundUnreadableError:
        return
    assert came.begun_hex[:160] == START.begun_hex[:160]


JSON = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)


@given(name=st.sampled_from(sorted(json.loads(START.encode()))), value=JSON)
def test_a_field_that_is_anything_else_is_refused_or_is_a_number(name: str, value: object) -> None:
    fields: dict[str, Any] = json.loads(START.encode()) | {name: value}
    try:
        came = read_found(json.dumps(fields).encode())
    except FoundUnreadableError:
        return
    assert type(getattr(came, name)) in {int, bool}


def test_a_header_without_the_work_it_asks_for_is_refused() -> None:
    header = bytearray(FOUND.header)
    header[72:76] = (0x1D00FFFF).to_bytes(4, "little")
    fields = json.loads(START.encode())
    fields["begun_hex"] = header.hex() + START.begun_hex[160:]
    fields["hash"] = sha256d(bytes(header))[::-1].hex()
    with pytest.raises(FoundUnreadableError, match="work"):
        read_found(json.dumps(fields).encode())


def test_files_that_are_to_be_told_are_found_in_every_front_s_folder(tmp_path: Path) -> None:
    for number in ("0", "7"):
        (tmp_path / number).mkdir()
        put(tmp_path / number, START)
    files = list(waiting(tmp_path))
    assert [path.parent.name for path in files] == ["0", "7"]
    assert read_found(files[0].read_bytes()) == START

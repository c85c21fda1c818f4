"""What docs/journal.md says of the journal holds: its own program hashes real shares again."""

import re
import subprocess
import sys
from pathlib import Path

from kench.native import Gate, JobTable, RecordBuffer
from kench.pool.clock import ManualClock
from kench.pool.journal import JournalReader
from kench.pool.journal.mark import DurableMark, Mark
from kench.pool.journal.segment import OpenSegment
from kench.pool.work import EASIEST_DIFFICULTY, target_of
from tests.support.jobs import Jobs, large_template, now_of

PAGE = Path(__file__).parents[3] / "docs" / "journal.md"
SHARES = 20


def write_real_shares(directory: Path) -> None:
    table, records = JobTable(), RecordBuffer(SHARES, 0)
    template = large_template()
    job, _ = Jobs(table, ManualClock()).add(template)
    gate = Gate(table, records, b"\x01\x02\x03\x04")
    gate.allow(b"1.a", 1, 1)
    gate.set_difficulty(EASIEST_DIFFICULTY, target_of(EASIEST_DIFFICULTY).to_bytes(32, "little"), 0)
    for nonce in range(SHARES):
        gate.submit(
            b"1.a", b"%x" % job.key, b"%016x" % nonce, b"%08x" % template.curtime,
            b"%08x" % nonce, None, now_of(template),
        )  # fmt: skip
    segment = OpenSegment.create(directory, 0, 0, 0)
    segment.append(job.archived.line(), records.take()[0])
    segment.close()
    mark = DurableMark(directory)
    mark.set(Mark(SHARES, 0))
    mark.close()


def test_the_program_on_the_page_hashes_every_share_again(tmp_path: Path) -> None:
    write_real_shares(tmp_path)
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    reader = JournalReader(tmp_path)
    expected = [
        f"{record['sequence']} {reader.job(int(record['job_key'])).block_hash(record)}"
        for record in reader.read(0, SHARES)
    ]
    assert run.stdout.splitlines() == expected
    assert len(expected) == SHARES

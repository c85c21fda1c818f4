"""Bytes of what goes over wires and to disks, as the pool's own code writes them."""

from dataclasses import dataclass
from typing import Self

from kench.native import RECORD_SIZE
from kench.pool.address import burn_address, script_of
from kench.pool.clock import Clock
from kench.pool.coinbase import EXTRANONCE2_SIZE, Output
from kench.pool.job import Job, JobKeys, JobMaker
from kench.pool.template import ROLLING_MASK, Template
from kench.stratum import messages
from kench.stratum.feed import job_frame
from kench.stratum.statistics.sessions import SessionFacts, encode

# Ethernet, IPv4 and TCP with time stamps, of each packet; and what a packet carries at most.
PACKET_OVERHEAD = 14 + 20 + 32
PACKET_MAX = 1448
# A block of 2,049 to 4,096 transactions has so many hashes beside its coinbase's way up.
BRANCHES = 12
COMMITMENT = bytes.fromhex("6a24aa21a9ed") + bytes(32)
HEIGHT, REWARD_SAT = 900_000, 312_500_000
NAME, AGENT = "1234567.s19-0042", "Antminer S19j Pro/Mon Jul 10 2023"


def make_job(clock: Clock, network: str = "main") -> Job:
    """Return a job as of a full block, made by the pool's own maker."""
    template = Template(
        height=HEIGHT,
        version=0x2000_0000,
        rolling_mask=ROLLING_MASK,
        prevhash_le=bytes(range(32)),
        nbits=0x1702_0000,
        block_target=0xFFFF << 160,
        curtime=clock.now_us() // 1_000_000,
        mintime=clock.now_us() // 1_000_000 - 3600,
        coinbase_value_sat=REWARD_SAT,
        coinbase_flags=b"",
        transactions_hex=(),
        branches=bytes(32 * BRANCHES),
        witness_commitment=COMMITMENT,
        longpollid="",
    )
    script = script_of(burn_address(network), network)
    maker = JobMaker(JobKeys(clock), lambda _: (Output(script, REWARD_SAT),), b"/kench/")
    return maker.make(template)


def on_the_wire(payload: int) -> int:
    """Return the bytes that a line takes with its packets' heads."""
    return payload + PACKET_OVERHEAD * -(-payload // PACKET_MAX)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of each; those to and from miners with packets' heads, acknowledgements apart."""

    submit: int
    reply: int
    notify: int
    set_difficulty: int
    acknowledgement: int
    feed_job: int
    job_line: int
    record: int
    session_facts: int

    @classmethod
    def of(cls, job: Job) -> Self:
        """Return the sizes that hold for a job and a miner of today."""
        submit = (
            f'{{"params":["{NAME}","{job.key:x}","{0:0{2 * EXTRANONCE2_SIZE}x}","{0:08x}",'
            f'"{0:08x}","{0:08x}"],"id":12345,"method":"mining.submit"}}\n'
        )
        facts = SessionFacts(1, 1, 65_536.0, AGENT, ((1, 1),))
        return cls(
            submit=on_the_wire(len(submit)),
            reply=on_the_wire(len(messages.answer(12345, result=True))),
            notify=on_the_wire(len(job.notify_more)),
            set_difficulty=len(messages.set_difficulty(123_456.0)),
            acknowledgement=PACKET_OVERHEAD,
            feed_job=len(job_frame(job, for_all=True)),
            job_line=len(job.archived.line()),
            record=RECORD_SIZE,
            session_facts=len(encode([facts])),
        )

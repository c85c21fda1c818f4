"""Whatever a node says a template is: it makes a job that miners can read, or it is refused.

Inputs are choices: which parts of a true template are left out, doubled or made odd.
"""

import json

from fuzz.source import Source
from kench.pool.clock import ManualClock
from kench.pool.coinbase import CoinbaseError, Output
from kench.pool.job import JobKeys, JobMaker
from kench.pool.template import Template, TemplateRefusedError
from kench.pool.template_json import decode_template_answer
from tests.support.jobs import PAY_SCRIPT, small_answer

EXECUTIONS = 30
LENGTH_MAX = 400
TRANSACTIONS_MAX = 6
_ODD = (
    "null",
    "true",
    "0",
    "-1",
    "1",
    "0.5",
    "1e3",
    "1e999999999",
    "-1e-999999999",
    "4294967295",
    "4294967296",
    "9223372036854775808",
    "18446744073709551616",
    "1" + "0" * 90,
    '""',
    '"0"',
    '"ff"',
    '"-1"',
    '"1d00ffff"',
    '"ff7fffff"',
    '"1_0"',
    '" 1"',
    '"!segwit"',
    "[]",
    "[[]]",
    "{}",
    '{"flags":"00"}',
    '{"flags":"' + "00" * 90 + '"}',
    '{"flags":0}',
    '["!new"]',
    "[0]",
    '"' + "00" * 32 + '"',
    '"' + "ff" * 32 + '"',
    '"' + "ff" * 33 + '"',
    '"6a24aa21a9ed' + "00" * 32 + '"',
    '"zz"',
)
_TRANSACTION = {"data": '"00"', "txid": _ODD[31], "hash": _ODD[32], "weight": "400", "sigops": "4"}


def check(data: bytes) -> None:
    """Hold the template to the invariant."""
    source = Source(data)
    answer = {key: json.dumps(said) for key, said in small_answer().items()}
    if source.below(2):
        count = source.below(TRANSACTIONS_MAX)
        made = [_object(source, dict(_TRANSACTION)) for _ in range(count)]
        answer["transactions"] = f"[{','.join(made)}]"
        if source.below(2):  # without it, odd transactions are not refused for it
            answer.pop("default_witness_commitment")
    body = f'{{"result":{_object(source, answer)},"error":null,"id":1}}'.encode()
    try:
        result = decode_template_answer(body)["result"]
    except ValueError:  # a number beyond all amounts; it is refused where the answer is read
        return
    try:
        template = Template.parse(result)
        job = _maker(template).make(template)
    except (TemplateRefusedError, CoinbaseError):
        return
    notify = json.loads(job.notify_clean)
    assert [type(one) for one in notify["params"]] == [str] * 4 + [list] + [str] * 3 + [bool]
    assert all(len(word) == 8 for word in notify["params"][5:8])


def _object(source: Source, members: dict[str, str]) -> str:
    """Write an object, odd in up to three places."""
    names = list(members)
    for _ in range(source.below(4)):
        name = source.pick(names)
        if source.once_in(6):
            members.pop(name, None)
        else:
            members[name] = source.pick(_ODD)
    return "{" + ",".join(f'"{name}":{said}' for name, said in members.items()) + "}"


def _maker(template: Template) -> JobMaker:
    def outputs_for(_template: Template) -> tuple[Output]:
        return (Output(PAY_SCRIPT, template.coinbase_value_sat),)

    return JobMaker(JobKeys(ManualClock(1_700_000_000_000_000)), outputs_for, b"/kench/")

"""Claims about templates, on those recorded from Bitcoin Core and on broken ones."""

import copy
import json
import lzma
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kench.native import merkle_root, sha256d
from kench.pool.template import ROLLING_MASK, Template, TemplateRefusedError

VECTORS = Path(__file__).parent.parent / "vectors"


@pytest.fixture(scope="module")
def full() -> dict[str, Any]:
    path = VECTORS / "getblocktemplate-regtest-3101tx.json.xz"
    answer: dict[str, Any] = json.loads(lzma.decompress(path.read_bytes()))
    return answer


@pytest.fixture(scope="module")
def empty() -> dict[str, Any]:
    path = VECTORS / "getblocktemplate-testnet4-empty.json"
    answer: dict[str, Any] = json.loads(path.read_text())
    return answer


def plain_merkle_root(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        if len(hashes) % 2:
            hashes.append(hashes[-1])
        hashes = [sha256d(a + b) for a, b in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


def test_a_recorded_template_with_3101_transactions_is_read(full: dict[str, Any]) -> None:
    template = Template.parse(full)
    assert template.height == 113
    assert template.coinbase_value_sat == full["coinbasevalue"]
    assert len(template.transactions_hex) == 3101
    assert len(template.branches) == 12 * 32
    txids = [bytes.fromhex(entry["txid"])[::-1] for entry in full["transactions"]]
    coinbase = sha256d(b"any coinbase")
    assert merkle_root(coinbase, template.branches) == plain_merkle_root([coinbase, *txids])


def test_an_empty_recorded_template_is_read(empty: dict[str, Any]) -> None:
    template = Template.parse(empty)
    assert template.branches == b""
    assert template.nbits == 0x1D00FFFF
    assert template.prevhash == empty["previousblockhash"]


def test_missing_optional_keys_are_no_reason_to_refuse(empty: dict[str, Any]) -> None:
    optional = {
        "coinbaseaux", "longpollid", "mutable", "noncerange", "rules", "vbavailable", "vbrequired",
        "weightlimit", "sigoplimit", "sizelimit", "default_witness_commitment", "target", "mintime",
    }  # fmt: skip
    bare = {key: value for key, value in empty.items() if key not in optional}
    template = Template.parse(bare)
    assert template.witness_commitment is None
    assert template.block_target == 0xFFFF << 208


@pytest.mark.parametrize("missing", ["height", "version", "previousblockhash", "transactions",
                                     "bits", "curtime", "coinbasevalue"])  # fmt: skip
def test_a_template_without_what_a_block_needs_is_refused(
    empty: dict[str, Any], missing: str
) -> None:
    with pytest.raises(TemplateRefusedError, match=missing):
        Template.parse({key: value for key, value in empty.items() if key != missing})


def test_an_unknown_required_rule_is_refused_and_an_optional_one_is_not(
    empty: dict[str, Any],
) -> None:
    assert Template.parse({**empty, "rules": ["csv", "newthing"]}).height == 1
    with pytest.raises(TemplateRefusedError, match="newthing"):
        Template.parse({**empty, "rules": ["csv", "!newthing"]})


def test_a_wrong_witness_commitment_is_refused(full: dict[str, Any]) -> None:
    broken = copy.deepcopy(full)
    broken["transactions"][5]["hash"] = broken["transactions"][6]["hash"]
    with pytest.raises(TemplateRefusedError, match="witness commitment"):
        Template.parse(broken)


def test_signalling_bits_inside_the_rolling_mask_are_cleared(empty: dict[str, Any]) -> None:
    template = Template.parse({**empty, "version": 0x30000000})
    assert template.version == 0x20000000
    assert template.version & template.rolling_mask == 0
    assert template.rolling_mask == ROLLING_MASK


def test_bits_that_the_node_requires_are_kept_and_not_rolled(empty: dict[str, Any]) -> None:
    template = Template.parse({**empty, "version": 0x30000000, "vbrequired": 0x10000000})
    assert template.version == 0x30000000
    assert template.rolling_mask == ROLLING_MASK & ~0x10000000


def test_the_time_never_lies_below_mintime(empty: dict[str, Any]) -> None:
    late = empty["curtime"] + 100
    assert Template.parse({**empty, "mintime": late}).curtime == late


def test_a_target_harder_than_bits_decides_what_is_a_block(empty: dict[str, Any]) -> None:
    harder = f"{1 << 200:064x}"
    assert Template.parse({**empty, "target": harder}).block_target == 1 << 200


@pytest.mark.parametrize(("key", "value"), [("weight", 4_000_000), ("sigops", 79_999)])
def test_a_template_without_room_for_a_coinbase_is_refused(
    full: dict[str, Any], key: str, value: int
) -> None:
    broken = {**full, "transactions": [{**full["transactions"][0], key: value}]}
    del broken["default_witness_commitment"]
    with pytest.raises(TemplateRefusedError, match="no room"):
        Template.parse(broken)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("height", Decimal("1e999999999")),
        ("curtime", 1 << 32),
        ("mintime", -1),
        ("coinbasevalue", 1 << 63),
        ("coinbasevalue", Decimal("0.5")),
        ("version", 1 << 32),
        ("vbrequired", "0"),
        ("bits", "1ffffffff"),
        ("target", "1" + "00" * 32),
        ("target", "-1"),
        ("weightlimit", True),
        ("rules", [0]),
        ("coinbaseaux", []),
        ("transactions", [[]]),
        ("transactions", [{"txid": "11" * 32, "data": 0}]),
        ("transactions", [{"txid": "11" * 32, "data": "00", "weight": Decimal("1e999999999")}]),
    ],
)
def test_what_no_job_can_hold_is_refused_and_never_computed(
    empty: dict[str, Any], name: str, said: object
) -> None:
    answer = {**empty, name: said}
    del answer["default_witness_commitment"]
    with pytest.raises(TemplateRefusedError, match="cannot be read"):
        Template.parse(answer)


def test_a_version_with_its_sign_bit_set_is_read_as_the_header_has_it(
    empty: dict[str, Any],
) -> None:
    assert Template.parse({**empty, "version": -(1 << 31)}).version == 1 << 31

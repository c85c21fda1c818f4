"""A notify becomes the header that the field's own vectors say."""

import pytest

from kench.miner.job import Job, parse_notify
from kench.native import sha256d

BLOCK_1 = [
    "j1",
    "0a8ce26f72b3f1b646a2a6c14ff763ae65831e939c085ae10019d66800000000",
    "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff07",
    (
        "ffffffff0100f2052a0100000043410496b538e853519c726a2c91e61ec11600ae1390813a627c66fb8be794"
        "7be63c52da7589379515d4e0a604f8141781e62294721166bf621e73a82cbf2342c858eeac00000000"
    ),
    [],
    "00000001",
    "1d00ffff",
    "4966bc61",
    True,
]  # fmt: skip


def _job(params: list[object]) -> Job:
    return parse_notify(params, bytes.fromhex("04ffff"), 4, 1)


def test_mainnet_block_1_is_found_again_from_its_job() -> None:
    header = _job(BLOCK_1).header76(bytes.fromhex("001d0104")) + (0x9962E301).to_bytes(4, "little")
    assert sha256d(header)[::-1].hex() == (
        "00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048"
    )


def test_branches_are_folded_into_the_header_in_order() -> None:
    first, second = "11" * 32, "22" * 32
    one = _job([*BLOCK_1[:4], [first, second], *BLOCK_1[5:]])
    other = _job([*BLOCK_1[:4], [second, first], *BLOCK_1[5:]])
    assert one.header76(bytes(4))[36:68] != other.header76(bytes(4))[36:68]
    coinbase = one.coinb1 + one.extranonce1 + bytes(4) + one.coinb2
    folded = sha256d(sha256d(sha256d(coinbase) + b"\x11" * 32) + b"\x22" * 32)
    assert one.header76(bytes(4))[36:68] == folded


@pytest.mark.parametrize(
    ("index", "value"),
    [(1, "00"), (1, "zz" * 32), (2, "0"), (4, ["11"]), (4, "11"), (5, "1"), (6, ""), (7, None)],
)
def test_a_malformed_field_is_refused(index: int, value: object) -> None:
    params = [*BLOCK_1[:index], value, *BLOCK_1[index + 1 :]]
    with pytest.raises((ValueError, TypeError)):
        _job(params)


def test_the_target_is_handed_on_little_endian() -> None:
    assert _job(BLOCK_1).target_le == b"\x01" + bytes(31)

from decimal import Decimal

import pytest

from kench.pool.rpc_json import decode_json


def test_numbers_with_a_point_are_exact() -> None:
    assert decode_json(b"0.00000001") == Decimal("0.00000001")


@pytest.mark.parametrize("number", [b"1e101", b"-1E+999999999", b"1e9999999999999999999", b"NaN"])
def test_a_number_beyond_all_amounts_is_no_json(number: bytes) -> None:
    with pytest.raises(ValueError, match="number"):
        decode_json(b'{"headers":%b}' % number)


def test_the_least_and_the_greatest_numbers_of_a_node_are_read() -> None:
    assert decode_json(b"[6.1e+20,1e-999,0e0]") == [Decimal("6.1e20"), Decimal("1e-999"), 0]

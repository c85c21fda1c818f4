"""Addresses become the scripts that the standards say; a wrong one is refused with the reason."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kench.pool.address import (
    BURN_PHRASE,
    InvalidAddressError,
    address_of,
    burn_address,
    deposit_script_of,
    describe,
    script_of,
)

NETWORKS = ("main", "test", "testnet4", "signet", "regtest")
PROGRAM_20 = "751e76e8199196d454941c45d1b3a323f1433bd6"

# Vectors of BIP173 and BIP350, and well-known Base58 addresses.
VALID = [
    ("main", "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "0014" + PROGRAM_20),
    (
        "test",
        "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7",
        "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
    ),
    (
        "main",
        "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
        "5128" + PROGRAM_20 + PROGRAM_20,
    ),
    ("main", "BC1SW50QGDZ25J", "6002751e"),
    ("main", "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", "5210751e76e8199196d454941c45d1b3a323"),
    (
        "testnet4",
        "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy",
        "0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
    ),
    (
        "signet",
        "tb1pqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesf3hn0c",
        "5120000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433",
    ),
    (
        "main",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
    ),
    # BIP86: the first receiving, the second and the first change address of its seed.
    (
        "main",
        "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr",
        "5120a60869f0dbcf1dc659c9cecbaf8050135ea9e8cdc487053f1dc6880949dc684c",
    ),
    (
        "main",
        "bc1p4qhjn9zdvkux4e44uhx8tc55attvtyu358kutcqkudyccelu0was9fqzwh",
        "5120a82f29944d65b86ae6b5e5cc75e294ead6c59391a1edc5e016e3498c67fc7bbb",
    ),
    (
        "main",
        "bc1p3qkhfews2uk44qtvauqyr2ttdsw7svhkl9nkm9s9c3x4ax5h60wqwruhk7",
        "5120882d74e5d0572d5a816cef0041a96b6c1de832f6f9676d9605c44d5e9a97d3dc",
    ),
    (
        "main",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac",
    ),
    (
        "main",
        "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
        "a914b472a266d0bd89c13706a4132ccfb16f7c3b9fcb87",
    ),
    (
        "regtest",
        "mfWxJ45yp2SFn7UciZyNpvDKrzbhyfKrY8",
        "76a914" + "00" * 20 + "88ac",
    ),
    ("regtest", "bcrt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqdku202", "0014" + "00" * 20),
]
P = "0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v"
INVALID = [
    ("main", "tc1qw508d6qejxtdg4y5r3zarvary0c5xw7kg3g4ty", "stands in no address"),
    ("main", f"bc1p{P}qh2y7hd", "checksum"),
    ("test", f"tb1z{P}qglt7rf", "checksum"),
    ("main", f"BC1S{P.upper()}Q54WELL", "checksum"),
    ("main", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh", "checksum"),
    ("test", f"tb1q{P}q24jc47", "checksum"),
    ("main", "bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4", "'o' stands in no"),
    ("main", f"BC13{P.upper()}Q7ZWS8R", "witness version 17"),
    ("main", "bc1pw5dgrnzv", "length"),
    ("main", f"bc1p{P}8n0nx0muaewav253zgeav", "length"),
    ("main", "BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P", "length"),
    ("test", f"tb1p{P}q47Zagq", "capital and small"),
    ("main", f"bc1p{P}07qwwzcrf", "length"),
    ("test", f"tb1p{P}pggkg4j", "length"),
    ("main", "bc1gmk9yu", "length"),
    ("main", "bc1" + "q" * 100, "characters"),
    ("main", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "checksum"),
    ("main", "1A1zP1eP5QGefi2DMPTfTL5SLmv7Divf0a", "'0' stands in no address"),
    ("main", "1A1zP1eP5QGefi2DMPTfTL5SLmv7Div", "length"),
    ("main", "", "characters"),
    ("main", "1" * 1000, "characters"),
    ("main", "адрес", "stands in no address"),
]


@pytest.mark.parametrize(("network", "address", "script"), VALID)
def test_an_address_becomes_its_script_and_back(network: str, address: str, script: str) -> None:
    assert script_of(address, network).hex() == script
    again = address_of(bytes.fromhex(script), network)
    assert again == (address.lower() if address.isupper() else address)


@pytest.mark.parametrize(("network", "address", "words"), INVALID)
def test_a_wrong_address_is_refused_with_the_reason(network: str, address: str, words: str) -> None:
    with pytest.raises(InvalidAddressError, match=words) as refused:
        script_of(address, network)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("network", "address", "script"), VALID)
def test_an_address_of_another_network_is_refused(network: str, address: str, script: str) -> None:
    alike = {
        other
        for other in NETWORKS
        if address_of(bytes.fromhex(script), other) == address_of(bytes.fromhex(script), network)
    }
    assert network in alike
    for other in set(NETWORKS) - alike:
        with pytest.raises(InvalidAddressError, match=f"not an address of network {other}"):
            script_of(address, other)


def test_an_unknown_network_is_named() -> None:
    with pytest.raises(InvalidAddressError, match="unknown network 'mainnet': one of main, test"):
        script_of("bc1gmk9yu", "mainnet")


def test_kinds_have_cores_names() -> None:
    kinds = [describe(address, network).kind for network, address, _ in VALID]
    assert kinds == [
        "witness_v0_keyhash",
        "witness_v0_scripthash",
        "witness_unknown",
        "witness_unknown",
        "witness_unknown",
        "witness_v0_scripthash",
        *["witness_v1_taproot"] * 5,
        "pubkeyhash",
        "scripthash",
        "pubkeyhash",
        "witness_v0_keyhash",
    ]


scripts = st.one_of(
    st.binary(min_size=20, max_size=20).map(lambda one: b"\x76\xa9\x14" + one + b"\x88\xac"),
    st.binary(min_size=20, max_size=20).map(lambda one: b"\xa9\x14" + one + b"\x87"),
    st.sampled_from([20, 32])
    .flatmap(lambda size: st.binary(min_size=size, max_size=size))
    .map(lambda one: bytes([0, len(one)]) + one),
    st.tuples(st.integers(1, 16), st.binary(min_size=2, max_size=40)).map(
        lambda one: bytes([0x50 + one[0], len(one[1])]) + one[1]
    ),
)


@given(scripts, st.sampled_from(NETWORKS))
def test_every_payable_script_has_an_address_that_leads_back(script: bytes, network: str) -> None:
    address = address_of(script, network)
    assert address is not None
    assert script_of(address, network) == script


ALPHABETS = (
    "qpzry9x8gf2tvdw0s3jn54khce6mua7l1",
    "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
)


@given(scripts, st.sampled_from(NETWORKS), st.integers(1, 4), st.data())
def test_mistyped_characters_are_always_noticed(
    script: bytes, network: str, count: int, data: st.DataObject
) -> None:
    """Bech32 finds any four by its design, Base58Check by a chance of one in four billion."""
    address = address_of(script, network)
    assert address is not None
    symbols = st.one_of(
        st.sampled_from(ALPHABETS[0 if "1q" in address or "1p" in address else 1]),
        st.characters(min_codepoint=33, max_codepoint=126),
    )
    mistyped = list(address)
    for _ in range(count):
        mistyped[data.draw(st.integers(0, len(address) - 1))] = data.draw(symbols)
    if "".join(mistyped) in {address, address.upper()}:
        return
    with pytest.raises(InvalidAddressError):
        script_of("".join(mistyped), network)


@given(scripts, st.data())
def test_a_character_left_out_put_in_or_swapped_with_the_next_is_always_noticed(
    script: bytes, data: st.DataObject
) -> None:
    address = address_of(script, "main")
    assert address is not None
    place = data.draw(st.integers(0, len(address) - 2))
    before, one, other, after = (
        address[:place], address[place], address[place + 1], address[place + 2 :],
    )  # fmt: skip
    added = data.draw(st.sampled_from(ALPHABETS[0]))
    for mistyped in (
        before + other + after,
        before + added + one + other + after,
        before + other + one + after,
    ):
        if mistyped != address:
            with pytest.raises(InvalidAddressError):
                script_of(mistyped, "main")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_q_before_the_last_p_of_bech32_does_not_pass(count: int) -> None:
    """The weakness for which BIP350 gave later versions another constant."""
    address = next(
        address
        for number in range(10_000)
        if (address := address_of(b"\x00\x14" + number.to_bytes(20, "big"), "main") or "")[-1]
        == "p"
    )
    with pytest.raises(InvalidAddressError, match="length"):
        script_of(address[:-1] + "q" * count + "p", "main")


@pytest.mark.parametrize(("network", "address", "script"), VALID)
def test_coins_are_entrusted_to_no_script_that_anybody_can_spend_from(
    network: str, address: str, script: str
) -> None:
    if describe(address, network).kind == "witness_unknown":
        with pytest.raises(InvalidAddressError, match="anybody could spend"):
            deposit_script_of(address, network)
    else:
        assert deposit_script_of(address, network).hex() == script


def test_an_anchor_is_no_place_for_a_deposit() -> None:
    with pytest.raises(InvalidAddressError, match="witness version 1 with 2 bytes"):
        deposit_script_of("bc1pfeessrawgf", "main")


@given(st.text(max_size=100), st.sampled_from(NETWORKS))
def test_any_text_is_refused_or_leads_back(text: str, network: str) -> None:
    try:
        script = script_of(text, network)
    except InvalidAddressError:
        return
    assert address_of(script, network) in (text, text.lower())


@pytest.mark.parametrize("script", ["", "51", "6a0100", "0014" + "00" * 19, "0002ffff", "ac" * 25])
def test_a_script_without_an_address_has_none(script: str) -> None:
    assert address_of(bytes.fromhex(script), "main") is None


@pytest.mark.parametrize("network", NETWORKS)
def test_the_burn_address_pays_the_hash_of_a_phrase_and_of_no_key(network: str) -> None:
    destination = describe(burn_address(network), network)
    assert destination.kind == "witness_v0_scripthash"
    assert destination.program == hashlib.sha256(BURN_PHRASE.encode()).digest()

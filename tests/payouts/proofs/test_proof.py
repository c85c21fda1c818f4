"""Nothing in a proof can be changed without being found: bytes, numbers, names, order, key."""

import json
import random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kench.payouts.proofs.canonical import encode
from kench.payouts.proofs.errors import ProofRefusedError
from kench.payouts.proofs.evidence import EvidenceKey
from kench.payouts.proofs.proof import Proof
from tests.payouts.proofs.mutations import Place, at, changes, places, replaced
from tests.payouts.proofs.samples import KEY, name_of, proof_of

AMOUNTS = {who: (2**70 + who, 10**6 * who) for who in (1, 4, 9, 16, 25, 36, 49)}
LINE = proof_of(AMOUNTS, 16).line()
PLACES = list(places(json.loads(LINE)))


def test_a_true_proof_holds() -> None:
    proof = Proof.read(LINE)
    assert (proof.participant_id, proof.name, proof.reward_sat) == (16, name_of(16), 16 * 10**6)
    assert proof.line() == LINE


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)))
def test_no_field_can_be_changed(place: Place) -> None:
    true = json.loads(LINE)
    for other in changes(at(true, place)):
        with pytest.raises(ProofRefusedError):
            Proof.read(encode(replaced(true, place, other)) + b"\n")


def test_no_byte_can_be_changed_left_out_or_put_in() -> None:
    chance = random.Random(5)
    for position in range(len(LINE)):
        other = bytes(
            [chance.choice([byte for byte in b'0aF9,"{}[] \n' if byte != LINE[position]])]
        )
        flipped = bytes([LINE[position] ^ 1 << chance.randrange(8)])
        rest = LINE[position + 1 :]
        for changed in (other + rest, flipped + rest, rest, other + LINE[position:]):
            if LINE[:position] + changed == LINE:
                continue
            with pytest.raises(ProofRefusedError):
                Proof.read(LINE[:position] + changed)


def test_another_key_signs_only_a_manifest_that_names_it() -> None:
    stranger = EvidenceKey(Ed25519PrivateKey.from_private_bytes(bytes(32)))
    forged = proof_of(AMOUNTS, 16, key=stranger)
    assert Proof.read(forged.line()).manifest.key == stranger.public != KEY.public
    value = json.loads(forged.line())
    value["manifest"]["key"] = KEY.public.hex()
    with pytest.raises(ProofRefusedError, match="signature"):
        Proof.read(encode(value) + b"\n")


def test_words_say_which_sum_differs() -> None:
    value = json.loads(LINE)
    value["leaf"]["reward_sat"] += 5
    total = sum(sat for _, sat in AMOUNTS.values())
    with pytest.raises(ProofRefusedError, match=f"add up to {total + 5} sat.* says {total}"):
        Proof.read(encode(value) + b"\n")


def test_a_manifest_that_pays_more_than_the_reward_is_refused_though_signed() -> None:
    value = json.loads(LINE)
    manifest = value["manifest"]
    manifest["reward"]["reward_sat"] -= 1
    value["signature"] = KEY.sign(encode(manifest)).hex()
    with pytest.raises(ProofRefusedError, match="splits"):
        Proof.read(encode(value) + b"\n")


@pytest.mark.parametrize(
    ("journal", "change", "words"),
    [
        (0, {"to_sequence": 1076}, "do not end where it does"),
        (0, {"to_sequence": 1078}, "do not end where it does"),
        (0, {"from_sequence": 1000}, "begins outside"),
        (0, {"from_sequence": 2000}, "ends before it begins"),
        (0, {"instance": 1}, "each once"),
        (2, {"to_sequence": 6}, "do not end where it does"),
        (2, {"segments": [{"first_sequence": 0, "records": 5, "shares_sha256": "0" * 64,
                           "jobs_sha256": "0" * 64, "previous": "0" * 64}]}, "no shares"),
    ],
)  # fmt: skip
def test_a_window_that_does_not_hold_together_is_refused_though_signed(
    journal: int, change: dict[str, Any], words: str
) -> None:
    value = json.loads(LINE)
    value["manifest"]["window"]["journals"][journal] |= change
    value["signature"] = KEY.sign(encode(value["manifest"])).hex()
    with pytest.raises(ProofRefusedError, match=words):
        Proof.read(encode(value) + b"\n")


def test_segments_are_chained_by_their_digests() -> None:
    value = json.loads(LINE)
    value["manifest"]["window"]["journals"][0]["segments"][0]["jobs_sha256"] = "00" * 32
    value["signature"] = KEY.sign(encode(value["manifest"])).hex()
    with pytest.raises(ProofRefusedError, match="do not follow each other"):
        Proof.read(encode(value) + b"\n")

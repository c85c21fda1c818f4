"""The pool holds no key to any coin: not in its code, its migrations, its database, its nodes.

What looks like one is found by its words, by its spelling (WIF, extended keys), by the library that
would sign with it, and by the calls that would have a node's wallet sign. What is found and
allowed stands in ALLOWED with the reason.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import sqlalchemy as sa

from kench.native import sha256d
from kench.pool.settings import Settings

ROOT = Path(__file__).parents[1]
CODE = ("kench", "deploy", "benchmarks", "setup.py", "pyproject.toml")
WORDS = re.compile(
    r"priv(?:ate)?[ _-]?keys?\b|signing[ _-]?key|mnemonic|\bseed[ _-]?phrase"
    r"|(?:wallet|hd|master)[ _-]?seed"
    r"|\bwif\b|[txyzuv]prv\b|secp256k1|\bbip-?(?:32|38|39|44|49|84|85)\b|\bwallet|\becdsa\b"
    r"|\bschnorr\b|\bpassphrase|derivation[ _-]?path",
    re.IGNORECASE,
)
# Files (or folders, ending in a slash) that may have such a word, and why it is no key to coins.
ALLOWED = {
    "kench/pool/settings.py": "names the file of the TLS certificate's key",
    "kench/pool/tax_settings.py": "names the file of a TLS key",
    "kench/pool/entry_settings.py": "names the file of the officers' door's TLS key",
    "kench/pool/orders/verifying.py": "says which algorithms persons' signatures may have",
    "kench/pool/signature/": "checks signatures of persons, and makes none",
    "kench/cabinet/assets/signing/": "signs with a person's own key, in that person's browser",
    "kench/pki/": "people of the demo sign on regtest; the demo's coins are worth nothing",
    "kench/payouts/proofs/evidence.py": "signs manifests of blocks, with a key of the operator's",
    "kench/doctor/files.py": "sees whether a key of TLS is that of its certificate",
    "kench/backup/": "opens a backup with its owner's key, and refuses public files with keys",
    "benchmarks/proofs.py": "signs manifests with a key made for the measurement",
}
# Libraries that sign with Bitcoin's curve, or derive keys for it.
SIGNERS = {
    "bip32", "bip32utils", "bip_utils", "bit", "bitcoinlib", "btclib", "coincurve", "ecdsa",
    "ecpy", "embit", "eth_account", "hdwallet", "mnemonic", "pycoin", "secp256k1", "web3",
}  # fmt: skip
# Calls of Bitcoin Core that use a wallet, or sign.
WALLET_CALLS = {
    "abandontransaction", "addmultisigaddress", "backupwallet", "bumpfee", "createwallet",
    "createwalletdescriptor", "dumpprivkey", "dumpwallet", "encryptwallet", "fundrawtransaction",
    "getaddressinfo", "getbalance", "getnewaddress", "getrawchangeaddress", "getwalletinfo",
    "importaddress", "importdescriptors", "importmulti", "importprivkey", "importpubkey",
    "importwallet", "keypoolrefill", "listunspent", "loadwallet", "lockunspent", "migratewallet",
    "newkeypool", "psbtbumpfee", "restorewallet", "send", "sendall", "sendmany", "sendtoaddress",
    "sethdseed", "signmessage", "signmessagewithprivkey", "signrawtransactionwithkey",
    "signrawtransactionwithwallet", "simulaterawtransaction", "unloadwallet", "upgradewallet",
    "walletcreatefundedpsbt", "walletlock", "walletpassphrase", "walletprocesspsbt",
}  # fmt: skip
COLUMNS = re.compile(
    r"(?:^|_)(?:priv|private|privkey|secret|seed|mnemonic|wif|xprv|wallet|passphrase)(?:_|$)"
)
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_RUN = re.compile(rf"(?<![{_BASE58}])[{_BASE58}]{{51,112}}(?![{_BASE58}])")
# First bytes: WIF of the main and the test networks, extended private keys of all purposes.
_WIF_VERSIONS = (b"\x80", b"\xef")
_EXTENDED = {
    bytes.fromhex(version)
    for version in (
        "0488ade4", "049d7878", "04b2430c", "0295b005", "02aa7a99",
        "04358394", "044a4e28", "045f18bc", "024285b5", "02575048",
    )
}  # fmt: skip


@cache
def tracked() -> tuple[str, ...]:
    done = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("this is no git checkout")
    return tuple(done.stdout.split())


def code() -> Iterator[tuple[str, str]]:
    for name in tracked():
        path = ROOT / name
        if (name.partition("/")[0] in CODE or name in CODE) and path.is_file():
            yield name, path.read_bytes().decode("utf-8", "replace")


def allowed(name: str) -> bool:
    return any(name == one or (one.endswith("/") and name.startswith(one)) for one in ALLOWED)


def spelled_keys(text: str) -> list[str]:
    """Base58Check texts that are private keys, by their first bytes and their checksum."""
    found = []
    for run in _RUN.findall(text):
        number = 0
        for symbol in run:
            number = number * 58 + _BASE58.index(symbol)
        raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
        payload, check = raw[:-4], raw[-4:]
        if sha256d(payload)[:4] != check:
            continue
        is_wif = payload[:1] in _WIF_VERSIONS and len(payload) in (33, 34)
        # The version of an extended key begins with a zero, which the number has not.
        is_extended = len(payload) >= 77 and payload.rjust(78, b"\x00")[:4] in _EXTENDED
        if is_wif or is_extended:
            found.append(run)
    return found


def test_no_word_of_keys_to_coins_is_in_the_code() -> None:
    found = {
        name: sorted({hit.lower() for hit in WORDS.findall(text)})
        for name, text in code()
        if WORDS.search(text) and not allowed(name)
    }
    assert not found, "if it is no key to coins, say so in ALLOWED with the reason"


def test_what_is_allowed_is_still_there_and_has_a_reason() -> None:
    needed = {name for name, text in code() if WORDS.search(text)}
    for entry, reason in ALLOWED.items():
        assert reason
        assert [name for name in needed if name == entry or name.startswith(entry)], entry


def test_nothing_is_spelled_as_a_private_key_anywhere_in_the_tree() -> None:
    found = {}
    for name in tracked():
        path = ROOT / name
        if not path.is_file() or path == Path(__file__):
            continue
        if hits := spelled_keys(path.read_bytes().decode("latin-1")):
            found[name] = hits
    assert not found


def test_no_module_imports_what_signs_for_coins() -> None:
    """Some such library may come with another package; ours never reach for it."""
    found = []
    for name, text in code():
        if not name.endswith((".py", ".pyi")):
            continue
        for node in ast.walk(ast.parse(text)):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            found += [(name, one) for one in modules if one.partition(".")[0] in SIGNERS]
    assert not found


def test_no_node_is_asked_for_what_needs_a_wallet() -> None:
    found = []
    for name, text in code():
        if not name.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                first = node.args[0] if node.args else None
                asked = first.value if isinstance(first, ast.Constant) else None
                if asked in WALLET_CALLS:
                    found.append((name, node.lineno, asked))
    assert not found


def test_the_development_node_has_no_wallet() -> None:
    names = {
        node.value
        for path in (ROOT / "kench" / "node").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert not names & (WALLET_CALLS - {"send"})


def test_no_setting_takes_a_key_to_coins() -> None:
    """Secrets of services are others, and the paper venue's prices begin with a seed."""
    known = {"screening_secret", "venue_secret", "venue_seed", "oidc_client_secret"}
    named = {name for name in Settings.model_fields if COLUMNS.search(name)}
    assert named <= known


def test_no_column_of_the_database_is_for_a_key(engine: sa.Engine) -> None:
    query = sa.text("""
        SELECT table_name || '.' || column_name AS name, column_name FROM information_schema.columns
        WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
    """)
    with engine.connect() as connection:
        columns = connection.execute(query).all()
    assert len(columns) > 30
    # A digest tells nothing of what it is of.
    named = {row.name for row in columns if COLUMNS.search(row.column_name)}
    # By it the receiver of a webhook knows that an alert is ours.
    known = {"alert_rules.secret"}
    assert {name for name in named if not name.endswith("_sha256")} == known


@pytest.mark.parametrize(
    "text",
    [
        "PRIVATE_KEY = read()", "the private key of", "from mnemonic import Mnemonic", "a wif",
        "secp256k1.sign", "bip39", "wallet_seed", "hd seed", "xprv", "an ECDSA key", "wallets",
    ],
)  # fmt: skip
def test_the_search_for_words_finds_them(text: str) -> None:
    assert WORDS.search(text)


def _base58check(payload: bytes) -> str:
    number = int.from_bytes(payload + sha256d(payload)[:4], "big")
    text = ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return text


def test_the_search_for_spellings_finds_them() -> None:
    """Made here of nothing but ones: keys of nobody."""
    secret = b"\x01" * 32
    keys = [_base58check(version + secret + tail) for version in _WIF_VERSIONS
            for tail in (b"", b"\x01")]  # fmt: skip
    keys += [_base58check(version + b"\x01" * 74) for version in _EXTENDED]
    assert [key for key in keys if spelled_keys(f'key = "{key}"') != [key]] == []
    assert keys[0].startswith("5")
    assert spelled_keys("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa " + "1" * 60) == []

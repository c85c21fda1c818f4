"""Files that settings name: certificates and their days, and who may read what is secret."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from kench.doctor.finding import Finding, bad, by_bounds, ok
from kench.pool.clock import Clock
from kench.pool.secret_files import SecretFileError, check_private
from kench.pool.secret_sources import key_names
from kench.pool.settings import Settings

DAY_S = 86_400
DAYS_WARN, DAYS_BAD = 30, 3
OTHERS = 0o077
CREDENTIALS = Path("/etc/credstore")


class Pair(NamedTuple):
    """Settings that name a certificate and its key."""

    certificate: str
    key: str | None


PAIRS = (
    Pair("tls_certificate", "tls_key"),
    Pair("cabinet_officers_certificate", "cabinet_officers_key"),
    Pair("tax_certificate", "tax_key"),
    Pair("standby_certificate", "standby_key"),
    Pair("nats_certificate", "nats_key"),
    Pair("standby_authority", None),
    Pair("nats_authority", None),
    Pair("tax_client_ca", None),
    Pair("tax_push_ca", None),
)


def check_certificates(settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Read each certificate as its process would; says how many days it has."""
    now = datetime.fromtimestamp(clock.now_us() / 1e6, UTC)
    for pair in PAIRS:
        path: Path | None = getattr(settings, pair.certificate)
        key: Path | None = getattr(settings, pair.key) if pair.key else None
        if path is not None:
            yield from _check_certificate(pair.certificate, path, key, now)
    for root in settings.signature_roots:
        yield from _check_roots(root, now)


def _check_certificate(name: str, path: Path, key: Path | None, now: datetime) -> Iterator[Finding]:
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        yield bad(name, f"{path} does not read as certificates ({error})", f"`{name}`")
        return
    yield _days_left(name, min(one.not_valid_after_utc for one in chain), now, str(path))
    if key is None:
        return
    try:
        own = load_pem_private_key(key.read_bytes(), None).public_key()
    except PermissionError:
        yield ok(name, f"its key {key} is for another account")
        return
    except (OSError, ValueError, TypeError) as error:
        yield bad(name, f"the key {key} does not read ({error})", f"`{name}` and its key")
        return
    kind = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if own.public_bytes(*kind) != chain[0].public_key().public_bytes(*kind):
        yield bad(name, f"{path} and {key} do not belong together", f"`{name}` and its key")


def _check_roots(root: Path, now: datetime) -> Iterator[Finding]:
    """Look at the authorities: a whole folder of theirs, PEM or DER."""
    name = "signature_roots"
    try:
        paths = sorted(root.iterdir()) if root.is_dir() else [root]
        ends = [_end_of(path.read_bytes()) for path in paths if path.is_file()]
    except (OSError, ValueError) as error:
        yield bad(name, f"{root} does not read ({error})", f"`{name}`")
        return
    if not ends:
        yield bad(name, f"{root} has no certificate: nobody can sign or enter", f"`{name}`")
        return
    yield _days_left(name, min(ends), now, f"{len(ends)} in {root}")


def _end_of(content: bytes) -> datetime:
    if b"-----BEGIN" in content:
        return min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(content))
    return x509.load_der_x509_certificate(content).not_valid_after_utc


def _days_left(name: str, end: datetime, now: datetime, what: str) -> Finding:
    days = (end - now).total_seconds() / DAY_S
    says = f"{what}: {days:.0f} days left" if days >= 0 else f"{what}: ended {end:%Y-%m-%d}"
    return by_bounds(
        name, -days, says, f"a new one in the place of `{name}`",
        warn_from=-DAYS_WARN, bad_from=-DAYS_BAD,
    )  # fmt: skip


def check_secrets(settings: Settings, folder: Path = CREDENTIALS) -> Iterator[Finding]:
    """See that nobody but their owner reads files with secrets in them, as processes ask it."""
    paths = [path for path in _secret_paths(settings) if path.exists()]
    if folder.is_dir():
        paths += _inside(folder)
        if folder.stat().st_mode & OTHERS:
            yield bad("secrets", f"others may look into {folder}", f"`chmod 700 {folder}`")
    sound = 0
    for path in paths:
        try:
            check_private(path)
        except SecretFileError as fault:
            yield bad("secrets", str(fault), f"`chmod 600 {path}`, and a fresh one")
        else:
            sound += 1
    if sound == len(paths):
        yield ok("secrets", f"{sound} files with secrets are for their owners alone")


def _secret_paths(settings: Settings) -> list[Path]:
    """Return the files with secrets that settings name, and those of the data folder."""
    named = [getattr(settings, name) for name in key_names(type(settings))]
    named += [settings.own_evidence_key, settings.venue_key_path]
    named += [venue.key_file for venue in settings.venues]
    return sorted({path for path in named if path is not None})


def _inside(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.name.startswith("kench.")]
    except PermissionError:
        return []  # As it should be for any account but root's.

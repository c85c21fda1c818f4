"""Whether this machine leads its pool: asked before anything of it serves, settles or pays."""

from pathlib import Path

from kench.pool.errors import KenchError
from kench.pool.line_tls import TlsFiles, TlsFilesError
from kench.pool.settings import Settings
from kench.pool.shipping.database_generation import ask_generation
from kench.pool.shipping.frames import (
    SHIPPING_VERSION,
    Kind,
    ShippingError,
    number_in,
    read_words,
    words_frame,
)
from kench.pool.shipping.generation import note_replaced, read_generation, refuse_if_replaced
from kench.pool.shipping.link import connect
from kench.pool.shipping.shipper import Mode, Policy, WhenAway

ASK_S = 2.0
FOLLOWING = Path("standby") / "following"
"""A file in a data folder that follows another machine, until it is promoted."""


class FollowingError(KenchError):
    """This folder is a standby's."""


def tls_of(settings: Settings) -> TlsFiles | None:
    """Return the certificates of the standby's line, if the settings name any."""
    if settings.standby_certificate is None:
        return None
    if settings.standby_key is None or settings.standby_authority is None:
        raise AssertionError("the settings see that they go together")
    return TlsFiles(
        settings.standby_certificate, settings.standby_key, settings.standby_authority, "standby"
    )


def policy_of(settings: Settings) -> Policy | None:
    """Return how journals are shipped; None where there is no standby."""
    if settings.standby_address is None:
        return None
    return Policy(
        settings.standby_address,
        Mode(settings.standby_mode),
        WhenAway(settings.standby_when_away),
        settings.standby_wait_s,
        tls_of(settings),
    )


def require_lead(settings: Settings) -> Settings:
    """Return the settings where this machine may lead, as far as it and its standby know.

    A standby that does not answer is not waited for: it may be what is broken. Raises ReplacedError
    and FollowingError.
    """
    data = settings.data_dir
    if (data / FOLLOWING).exists():
        raise FollowingError(
            f"{data} follows a main machine: run `kench standby promote --data {data}` first, if "
            "that machine is to lead no more"
        )
    refuse_if_another_leads(settings, asks=True)
    return settings


def refuse_if_another_leads(settings: Settings, *, asks: bool) -> None:
    """Raise ReplacedError where this folder was told that another machine leads.

    If `asks`, the database is asked, and the standby where there is one; not who does not answer.
    """
    refuse_if_replaced(settings.data_dir)
    if asks:
        _ask_database(settings)
        _ask_standby(settings)


def _ask_database(settings: Settings) -> None:
    # A machine without journals, of the cabinet alone, works for whoever leads in its database.
    if settings.database_url is None or not (settings.data_dir / "journal").is_dir():
        return
    told = ask_generation(settings.database_url.get_secret_value())
    if told is not None and told > read_generation(settings.data_dir):
        raise note_replaced(settings.data_dir, told)


def _ask_standby(settings: Settings) -> None:
    policy = policy_of(settings)
    if policy is None:
        return
    try:
        link = connect(policy.address, policy.tls, ASK_S)
    except (OSError, TlsFilesError):
        return
    own = read_generation(settings.data_dir)
    try:
        hello = {"version": SHIPPING_VERSION, "instance": None, "generation": own}
        link.send(words_frame(Kind.HELLO, hello))
        kind, body = link.receive()
        if kind is Kind.REPLACED:
            raise note_replaced(settings.data_dir, number_in(read_words(body), "generation"))
    except (OSError, ShippingError, KeyError, ValueError):
        # Whoever answers so is no standby of ours that leads.
        return
    finally:
        link.close()

"""Sending one message: by e-mail, as a signed webhook, or by a messenger's bot."""

import hashlib
import hmac
import json
import smtplib
import ssl
from email.message import EmailMessage
from typing import NamedTuple

from kench.cabinet.alerts.outbox import Due
from kench.cabinet.alerts.posting import TIMEOUT_S, FaultKind, PostError, post
from kench.cabinet.alerts.rules import Channel
from kench.cabinet.alerts.targets import (
    Place,
    TargetError,
    is_chat,
    is_email,
    place_of,
    resolve,
)
from kench.pool.alert_settings import AlertSettings, SmtpTls
from kench.pool.api_key import ApiKeyError, read_api_key
from kench.pool.clock import Clock

SIGNATURE = "X-Kench-Signature"
JSON_TYPE = {"Content-Type": "application/json"}


class Fault(NamedTuple):
    """Why something was not sent."""

    kind: FaultKind
    text: str


class Sender:
    """Knows the servers; for any thread but the event loop's."""

    def __init__(self, settings: AlertSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def send(self, due: Due) -> Fault | None:
        """Send it; return why it was not sent, without anything secret, or None."""
        by = {
            Channel.EMAIL: self._mail,
            Channel.WEBHOOK: self._call,
            Channel.BOT: self._write,
        }
        try:
            by[due.channel](due)
        except PostError as error:
            return Fault(error.kind, str(error))
        except TargetError as error:
            return Fault(FaultKind.TARGET, str(error))
        except ApiKeyError as error:
            return Fault(FaultKind.SETUP, str(error))
        except (smtplib.SMTPException, OSError, ValueError) as error:
            code = getattr(error, "smtp_code", "")
            text = f"the mail server did not take it: {type(error).__name__} {code}".strip()
            return Fault(FaultKind.MAIL, text)
        return None

    def _mail(self, due: Due) -> None:
        settings = self._settings
        if settings.alerts_smtp_host is None:
            raise PostError("no mail server is set")
        letter = EmailMessage()
        letter["From"], letter["To"] = settings.alerts_smtp_from, due.target
        letter["Subject"] = due.message.title
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(due.message.body)
        context = ssl.create_default_context()
        where = (settings.alerts_smtp_host, settings.alerts_smtp_port)
        tls = settings.alerts_smtp_tls
        server = (
            smtplib.SMTP_SSL(*where, timeout=TIMEOUT_S, context=context)
            if tls is SmtpTls.TLS
            else smtplib.SMTP(*where, timeout=TIMEOUT_S)
        )
        with server:
            if tls is SmtpTls.STARTTLS:
                server.starttls(context=context)
            if settings.alerts_smtp_file is not None:
                key = read_api_key(settings.alerts_smtp_file)
                server.login(key.key, key.secret)
            server.send_message(letter)

    def _call(self, due: Due) -> None:
        rule = due.rule
        if not self._settings.alerts_webhooks or rule is None or rule.secret is None:
            raise PostError("webhooks are not called")
        here = self._settings.alerts_webhooks_here
        place = place_of(due.target, here=here)
        body = json.dumps(
            {
                "id": due.id,
                "event": due.event,
                "rule": rule.id,
                "kind": rule.kind,
                "participant": rule.participant_id,
                "title": due.message.title,
                "text": due.message.body,
                "queued_at": due.queued_us // 1_000_000,
            },
            ensure_ascii=False,
        ).encode()
        at_s = self._clock.now_us() // 1_000_000
        headers = JSON_TYPE | {SIGNATURE: signature_of(rule.secret, at_s, body)}
        post(place, resolve(place, here=here), headers, body, self._clock)

    def _write(self, due: Due) -> None:
        settings = self._settings
        if settings.alerts_bot_url is None or settings.alerts_bot_file is None:
            raise PostError("no bot is set")
        token = read_api_key(settings.alerts_bot_file).secret
        # The operator has set its address: it may be a server of the operator's own.
        base = place_of(settings.alerts_bot_url, here=True)
        place = Place(
            base.tls, base.host, base.port, f"{base.path.rstrip('/')}/bot{token}/sendMessage"
        )
        text = f"{due.message.title}\n{due.message.body}"
        body = json.dumps({"chat_id": due.target, "text": text}).encode()
        post(place, base.host, JSON_TYPE, body, self._clock)


def signature_of(secret: bytes, at_s: int, body: bytes) -> str:
    """Return what proves that a webhook's call is ours: HMAC-SHA256 over `time.body`."""
    code = hmac.new(secret, b"%d." % at_s + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={code}"


def channels_of(settings: AlertSettings) -> list[Channel]:
    """Return how people can be told here."""
    possible = {
        Channel.EMAIL: settings.alerts_smtp_host is not None,
        Channel.WEBHOOK: settings.alerts_webhooks,
        Channel.BOT: settings.alerts_bot_url is not None,
    }
    return [channel for channel in Channel if possible[channel]]


def sends_letters(settings: AlertSettings) -> bool:
    """Whether there is a mail server at all."""
    return Channel.EMAIL in channels_of(settings)


def fits(settings: AlertSettings, channel: Channel, target: str) -> bool:
    """Whether a target is one that the channel can reach, as far as its text tells."""
    if channel is Channel.EMAIL:
        return is_email(target)
    if channel is Channel.BOT:
        return is_chat(target)
    try:
        place_of(target, here=settings.alerts_webhooks_here)
    except TargetError:
        return False
    return True

"""From a silent worker to the letter: real PostgreSQL, a real mail server, a real webhook."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry

from kench.cabinet.alerts.news import Event
from kench.cabinet.alerts.outbox import TRIES_MAX, MessageLine, messages_of, queue
from kench.cabinet.alerts.rules import (
    RULES_MAX,
    Channel,
    Kind,
    NewRule,
    Rule,
    RuleRefusal,
    end_rule,
    make_rule,
)
from kench.cabinet.alerts.sending import SIGNATURE, Sender
from kench.cabinet.alerts.watch import AlertWatch
from kench.cabinet.alerts.wording import Message
from kench.cabinet.login.persons import know_person
from kench.cabinet.words.languages import Language
from kench.pool.alert_settings import AlertSettings, SmtpTls
from kench.pool.clock import ManualClock
from kench.pool.database import open_engine
from kench.pool.moments import us_of
from tests.support.grants import Two, two_participants
from tests.support.letters import confirm_address
from tests.support.mail_server import mail_server, post_server
from tests.support.pki import PIN
from tests.support.signing import Draw, cabinet_engine

ORIGIN = "https://cabinet.example"


@pytest.fixture
def owner(database: str) -> Iterator[sa.Engine]:
    """With all rights."""
    engine = open_engine(database, application_name="test")
    yield engine
    engine.dispose()


@pytest.fixture
def two(database: str, owner: sa.Engine) -> Two:
    """The second worker of the first has been silent for three hours; rig3 never mined."""
    del owner
    return two_participants(database)


@pytest.fixture
def engine(database: str) -> Iterator[sa.Engine]:
    """With the rights of the cabinet."""
    made = cabinet_engine(database)
    yield made
    made.dispose()


@pytest.fixture
def clock(owner: sa.Engine) -> ManualClock:
    with owner.connect() as db:
        return ManualClock(us_of(db.execute(sa.text("SELECT now()")).scalar_one()))


def ruled(
    engine: sa.Engine, whose: int, clock: ManualClock, channel: Channel, target: str, **more: Any
) -> Rule:
    values = {"kind": Kind.SILENT, "bound": 10, "language": Language.EN} | more
    wanted = values.pop("wanted", True)
    with engine.begin() as db:
        person = know_person(db, PIN, "Асан Усенов", clock.now_us())
        if channel is Channel.EMAIL and wanted is not None:
            confirm_address(db, person.id, target, clock.now_us(), wanted=wanted)
        made = make_rule(
            db, whose, NewRule(channel=channel, target=target, **values),
            made_by=person.id, now_us=clock.now_us(), random_bytes=Draw(7),
        )  # fmt: skip
    assert isinstance(made, Rule)
    return made


def watch_of(engine: sa.Engine, clock: ManualClock, **settings: Any) -> AlertWatch:
    return AlertWatch(
        engine, Sender(AlertSettings(**settings), clock), clock, ORIGIN,
        random_bytes=Draw(99), registry=CollectorRegistry(),
    )  # fmt: skip


def lines(engine: sa.Engine, whose: int) -> list[MessageLine]:
    with engine.connect() as db:
        return messages_of(db, whose)


def run_all(owner: sa.Engine, age: str = "0 s") -> None:
    """Every worker sent a share so long ago."""
    with owner.begin() as db:
        db.execute(
            sa.text("UPDATE worker_live SET last_share_at = now() - CAST(:age AS interval)"),
            {"age": age},
        )


def test_a_silent_worker_is_told_by_e_mail_and_so_is_its_return(
    engine: sa.Engine, owner: sa.Engine, two: Two, clock: ManualClock
) -> None:
    ruled(engine, two.first, clock, Channel.EMAIL, "asan@example.kg", language=Language.RU)
    with mail_server() as (port, letters):
        watch = watch_of(engine, clock, alerts_smtp_host="127.0.0.1", alerts_smtp_port=port,
                         alerts_smtp_tls=SmtpTls.NONE)  # fmt: skip
        assert watch.look() == 1
        assert watch.look() == 0
        assert watch.send() == 1
        assert watch.send() == 0
        run_all(owner)
        assert watch.look() == 1
        watch.send()
    assert len(letters) == 2
    assert "To: asan@example.kg" in letters[0]
    assert [line.state for line in lines(engine, two.first)] == ["sent", "sent"]
    titles = [line.title for line in lines(engine, two.first)]
    assert titles[1] == "Ала-Тоо: молчат воркеры: 1, не менее 10 мин"
    with engine.connect() as db:
        body = db.scalar(sa.text("SELECT body FROM alert_messages WHERE event = 'begun'"))
    assert body == f"rig2\n{ORIGIN}/p/{two.first}/"


def test_a_webhook_is_signed_with_its_key(engine: sa.Engine, two: Two, clock: ManualClock) -> None:
    with post_server() as (port, posted):
        rule = ruled(engine, two.first, clock, Channel.WEBHOOK, f"http://127.0.0.1:{port}/x?y=1")
        watch = watch_of(engine, clock, alerts_webhooks_here=True)
        watch.look()
        watch.send()
    path, headers, body = posted[0]
    assert path == "/x?y=1"
    at_s, code = (part.partition("=")[2] for part in headers[SIGNATURE].split(","))
    assert rule.secret is not None
    wanted = hmac.new(rule.secret, f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    assert code == wanted
    told = json.loads(body)
    assert (told["event"], told["kind"], told["participant"]) == ("begun", "silent", two.first)


def test_no_redirect_is_followed_and_the_fault_is_kept(
    engine: sa.Engine, two: Two, clock: ManualClock
) -> None:
    with post_server(302) as (port, posted):
        ruled(engine, two.first, clock, Channel.WEBHOOK, f"http://127.0.0.1:{port}/")
        watch = watch_of(engine, clock, alerts_webhooks_here=True)
        watch.look()
        for _ in range(TRIES_MAX + 3):
            watch.send()
            clock.advance(7200)
    assert [path for path, _, _ in posted] == ["/"] * TRIES_MAX
    line = lines(engine, two.first)[0]
    assert (line.state, line.fault) == ("failed", "it answered with status 302")


def test_without_leave_no_webhook_is_called_on_this_machine(
    engine: sa.Engine, two: Two, clock: ManualClock
) -> None:
    with post_server() as (port, posted):
        ruled(engine, two.first, clock, Channel.WEBHOOK, f"http://127.0.0.1:{port}/")
        ruled(engine, two.first, clock, Channel.WEBHOOK, f"https://localhost:{port}/")
        watch = watch_of(engine, clock)
        assert watch.look() == 2
        watch.send()
    assert not posted
    assert {line.state for line in lines(engine, two.first)} == {"waiting"}


def test_a_bot_is_sent_the_text_and_no_fault_tells_its_token(
    engine: sa.Engine, two: Two, clock: ManualClock, tmp_path: Path
) -> None:
    key = tmp_path / "bot.json"
    key.touch(0o600)
    key.write_text('{"key": "kench_bot", "secret": "123:SECRET"}')
    ruled(engine, two.first, clock, Channel.BOT, "-100200300")
    with post_server(403) as (port, posted):
        url = f"http://127.0.0.1:{port}"
        watch = watch_of(engine, clock, alerts_bot_url=url, alerts_bot_file=key)
        watch.look()
        watch.send()
    path, _, body = posted[0]
    assert path == "/bot123:SECRET/sendMessage"
    assert json.loads(body)["chat_id"] == "-100200300"
    assert "SECRET" not in lines(engine, two.first)[0].fault


def test_a_mailbox_that_is_none_is_told_as_such(
    engine: sa.Engine, two: Two, clock: ManualClock
) -> None:
    ruled(engine, two.first, clock, Channel.EMAIL, "nobody@example.kg")
    with mail_server() as (port, letters):
        watch = watch_of(engine, clock, alerts_smtp_host="127.0.0.1", alerts_smtp_port=port,
                         alerts_smtp_tls=SmtpTls.NONE)  # fmt: skip
        watch.look()
        watch.send()
    assert not letters
    assert "SMTPRecipientsRefused" in lines(engine, two.first)[0].fault


@pytest.mark.parametrize("wanted", [None, False])
def test_an_address_that_did_not_say_yes_is_told_of_nothing(
    engine: sa.Engine, two: Two, clock: ManualClock, wanted: bool | None
) -> None:
    rule = ruled(engine, two.first, clock, Channel.EMAIL, "asan@example.kg", wanted=wanted)
    assert not rule.is_confirmed
    watch = watch_of(engine, clock)
    assert watch.look() == 0
    with engine.begin() as db:
        queue(db, rule.id, Event.TEST, Message("x", "y"), now_us=clock.now_us(),
              due_us=clock.now_us())  # fmt: skip
    assert watch.send() == 0


def test_what_waits_is_sent_and_is_given_up_is_counted(
    engine: sa.Engine, two: Two, clock: ManualClock
) -> None:
    ruled(engine, two.first, clock, Channel.EMAIL, "asan@example.kg")
    registry = CollectorRegistry()
    watch = AlertWatch(
        engine, Sender(AlertSettings(), clock), clock, ORIGIN,
        random_bytes=Draw(99), registry=registry,
    )  # fmt: skip

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"kench_cabinet_alerts_{name}", labels)

    watch.look()
    clock.advance(90)
    watch.look()
    assert value("queued", event="begun") == 1
    assert value("queued", event="letter") == 0
    assert value("oldest_seconds") == 90
    for _ in range(TRIES_MAX):
        assert watch.send() == 1
        clock.advance(7200)
    assert value("errors_total", channel="email", fault="setup") == TRIES_MAX
    assert value("given_up_total", event="begun", channel="email") == 1
    watch.look()
    assert value("oldest_seconds") == 0


def test_an_ended_rule_sends_nothing_that_waits(
    engine: sa.Engine, two: Two, clock: ManualClock
) -> None:
    rule = ruled(engine, two.first, clock, Channel.EMAIL, "asan@example.kg")
    watch = watch_of(engine, clock)
    watch.look()
    with engine.begin() as db:
        person = know_person(db, PIN, "Асан Усенов", clock.now_us())
        assert end_rule(db, two.first, rule.id, ended_by=person.id, now_us=clock.now_us())
    assert watch.send() == 0


def test_when_the_pool_itself_does_not_count_nobody_is_alarmed(
    engine: sa.Engine, owner: sa.Engine, two: Two, clock: ManualClock
) -> None:
    ruled(engine, two.first, clock, Channel.EMAIL, "asan@example.kg")
    with owner.begin() as db:
        db.execute(sa.text("UPDATE pool_live SET written_at = now() - interval '3 minutes'"))
    assert watch_of(engine, clock).look() == 0


def test_each_kind_has_its_bound(engine: sa.Engine, two: Two, clock: ManualClock) -> None:
    told = {(Kind.REFUSED, 1), (Kind.SILENT, 170)}
    for kind, bound in [*told, (Kind.REFUSED, 5), (Kind.LOW, 100), (Kind.SILENT, 200)]:
        ruled(engine, two.first, clock, Channel.EMAIL, "asan@example.kg", kind=kind, bound=bound)
    assert watch_of(engine, clock).look() == len(told)
    titles = " ".join(line.title for line in lines(engine, two.first))
    assert "170 minutes" in titles
    assert "more than 1%" in titles


def test_rules_are_bounded(engine: sa.Engine, two: Two, clock: ManualClock) -> None:
    for _ in range(RULES_MAX):
        ruled(engine, two.first, clock, Channel.EMAIL, "asan@example.kg")
    with pytest.raises(AssertionError):
        ruled(engine, two.first, clock, Channel.EMAIL, "asan@example.kg")
    new = NewRule(Kind.LOW, 101, Channel.EMAIL, "asan@example.kg", Language.EN)
    with engine.begin() as db:
        made = make_rule(db, two.second, new, made_by=1, now_us=1, random_bytes=Draw(1))
    assert made is RuleRefusal.BOUND

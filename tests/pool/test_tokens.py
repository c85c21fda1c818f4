"""Tokens: several of a participant, shown once, revoked one by one, bounded, never taken back."""

from datetime import UTC, datetime, timedelta

import psycopg2.errors
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from kench.pool import tokens
from kench.pool.register import add_participant, enter_participant
from kench.pool.tokens import (
    LABEL_MAX,
    TokenRefusal,
    has_token,
    is_in_force,
    make_token,
    revoke_token,
    token_digest,
    tokens_of,
)

NOW = datetime(2026, 11, 23, 7, 30, tzinfo=UTC)


def test_blanks_and_case_of_a_token_do_not_count() -> None:
    assert token_digest(" ABCD\n") == token_digest("abcd")
    assert token_digest("abcd") != token_digest("abce")


def test_of_several_tokens_one_is_revoked_once_and_the_others_stay(engine: sa.Engine) -> None:
    with engine.begin() as db:
        whose, first = add_participant(db, "x")
        second = make_token(db, whose, "Нарын", at=NOW)
        other, _ = add_participant(db, "y")
        assert isinstance(second, str)
        assert not revoke_token(db, other, 1)
        assert revoke_token(db, whose, 1, at=NOW)
        assert not revoke_token(db, whose, 1)
        assert not is_in_force(db, whose, first)
        assert is_in_force(db, whose, second)
        assert not is_in_force(db, other, second)
        in_force, revoked = tokens_of(db, whose)
    assert (in_force.id, in_force.label, in_force.made_at) == (2, "Нарын", NOW)
    assert (in_force.made_by, in_force.revoked_at, in_force.used_at) == (None, None, None)
    assert (revoked.id, revoked.label, revoked.revoked_at) == (1, "first", NOW)


def test_a_participant_without_any_token_has_none(engine: sa.Engine) -> None:
    with engine.begin() as db:
        whose = enter_participant(db, "x")
        assert not has_token(db, whose)
        make_token(db, whose)
        assert has_token(db, whose)
        revoke_token(db, whose, 1)
        assert not has_token(db, whose)


@pytest.mark.parametrize("label", ["", " x", "x ", "a\nb", "\u202e", "x" * (LABEL_MAX + 1)])
def test_a_label_is_short_and_can_be_seen(engine: sa.Engine, label: str) -> None:
    with engine.begin() as db:
        assert make_token(db, enter_participant(db, "x"), label) is TokenRefusal.LABEL


def test_tokens_in_force_and_those_made_within_a_day_are_bounded(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "TOKENS_MAX", 2)
    monkeypatch.setattr(tokens, "MADE_A_DAY_MAX", 3)
    with engine.begin() as db:
        whose = enter_participant(db, "x")
        assert isinstance(make_token(db, whose, at=NOW), str)
        assert isinstance(make_token(db, whose, at=NOW), str)
        assert make_token(db, whose, at=NOW) is TokenRefusal.LIMIT
        assert isinstance(make_token(db, enter_participant(db, "y"), at=NOW), str)
        revoke_token(db, whose, 1)
        assert isinstance(make_token(db, whose, at=NOW), str)
        revoke_token(db, whose, 2)
        assert make_token(db, whose, at=NOW) is TokenRefusal.TOO_MANY_TODAY
        assert isinstance(make_token(db, whose, at=NOW + timedelta(days=1)), str)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE participant_tokens SET sha256 = sha256('x')",
        "UPDATE participant_tokens SET label = 'x'",
        "UPDATE participant_tokens SET made_by = 1",
        "UPDATE participant_tokens SET revoked_at = NULL WHERE id = 1",
        "UPDATE participant_tokens SET used_at = now() WHERE id = 1",
        "DELETE FROM participant_tokens",
        "TRUNCATE participant_tokens",
        "DELETE FROM participants",
    ],
)
def test_nobody_takes_a_token_or_its_revocation_back(engine: sa.Engine, statement: str) -> None:
    with engine.begin() as db:
        whose, _ = add_participant(db, "x")
        make_token(db, whose)
        revoke_token(db, whose, 1)
    with engine.connect() as db, pytest.raises(DBAPIError) as caught:
        db.execute(sa.text(statement))
    assert isinstance(caught.value.orig, psycopg2.errors.IntegrityError)

"""The Electronic Register searched, summed by region, and handed out in extracts.

`register_words` has what an entry is found by, written by whoever writes the entry. PostgreSQL
itself sums each version's equipment by region, and keeps which requests for an extract wait.
"""

import re
import unicodedata
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE register_words (
    participant_id integer PRIMARY KEY REFERENCES participants,
    version        integer NOT NULL,
    words          tsvector NOT NULL,
    -- Of legal entities alone: persons are found by everybody by their number.
    public_words   tsvector NOT NULL,
    regions        text[] NOT NULL,
    FOREIGN KEY (participant_id, version) REFERENCES register_entries
);
CREATE INDEX register_words_words ON register_words USING gin (words);
CREATE INDEX register_words_public ON register_words USING gin (public_words);
CREATE INDEX register_words_regions ON register_words USING gin (regions);

CREATE TABLE register_regions (
    participant_id    integer NOT NULL,
    version           integer NOT NULL,
    -- Empty where the entry does not say.
    region            text NOT NULL CHECK (char_length(region) <= 5),
    quantity          bigint NOT NULL,
    hashrate_ghs      numeric(30, 0) NOT NULL,
    power_w           numeric(30, 0) NOT NULL,
    planned_kwh_month numeric(30, 0) NOT NULL,
    PRIMARY KEY (participant_id, version, region),
    FOREIGN KEY (participant_id, version) REFERENCES register_entries
);

CREATE TABLE extract_requests (
    id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant_id integer NOT NULL REFERENCES participants,
    person_id      integer NOT NULL REFERENCES persons,
    at             timestamptz NOT NULL
);
CREATE INDEX extract_requests_of ON extract_requests (participant_id, id);
CREATE TABLE extract_queue (
    request_id     integer PRIMARY KEY REFERENCES extract_requests,
    participant_id integer NOT NULL UNIQUE,
    at             timestamptz NOT NULL
);
CREATE INDEX extract_queue_at ON extract_queue (at, request_id);
CREATE TABLE register_extracts (
    id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant_id integer NOT NULL,
    version        integer NOT NULL,
    as_of          timestamptz NOT NULL,
    act_id         bigint NOT NULL UNIQUE REFERENCES signed_acts,
    person_id      integer NOT NULL REFERENCES persons,
    request_id     integer UNIQUE REFERENCES extract_requests,
    at             timestamptz NOT NULL,
    FOREIGN KEY (participant_id, version) REFERENCES register_entries
);
CREATE INDEX register_extracts_of ON register_extracts (participant_id, id);
"""
TRIGGERS = """
CREATE FUNCTION sum_entry(entry register_entries) RETURNS void LANGUAGE sql
SECURITY DEFINER SET search_path = public, pg_temp
BEGIN ATOMIC
    INSERT INTO register_regions
        SELECT entry.participant_id, entry.version, coalesce(one.region, ''), sum(one.quantity),
            sum(one.quantity * one.hashrate_ghs), sum(one.quantity * one.power_w),
            sum(one.planned_kwh_month)
        FROM jsonb_to_recordset(entry.content -> 'equipment') AS one (region text, quantity numeric,
            hashrate_ghs numeric, power_w numeric, planned_kwh_month numeric)
        GROUP BY coalesce(one.region, '');
END;
REVOKE ALL ON FUNCTION sum_entry FROM PUBLIC;
CREATE FUNCTION follow_entry() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM sum_entry(NEW);
    RETURN NULL;
END $$;
CREATE TRIGGER follow_entry AFTER INSERT ON register_entries
    FOR EACH ROW EXECUTE FUNCTION follow_entry();
SELECT sum_entry(register_entries) FROM register_entries;

CREATE FUNCTION follow_extract() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'extract_requests' THEN
        INSERT INTO extract_queue VALUES (NEW.id, NEW.participant_id, NEW.at);
    ELSE
        DELETE FROM extract_queue WHERE request_id = NEW.request_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER follow_extract AFTER INSERT ON extract_requests
    FOR EACH ROW EXECUTE FUNCTION follow_extract();
CREATE TRIGGER follow_extract AFTER INSERT ON register_extracts
    FOR EACH ROW EXECUTE FUNCTION follow_extract();
"""
APPEND_ONLY = ("register_regions", "extract_requests", "register_extracts")
GRANTS = """
GRANT SELECT, INSERT, UPDATE ON register_words TO kench_cabinet;
GRANT SELECT ON register_regions, extract_queue TO kench_cabinet;
GRANT SELECT, INSERT ON extract_requests, register_extracts TO kench_cabinet;
GRANT SELECT ON register_words, register_regions, extract_requests, extract_queue,
    register_extracts TO kench_read;
"""
NEWEST = """
    SELECT DISTINCT ON (participant_id) participant_id, version, content FROM register_entries
    ORDER BY participant_id, version DESC
"""
KEEP = sa.text("""
    INSERT INTO register_words VALUES (:participant_id, :version, CAST(:words AS tsvector),
        CAST(:public_words AS tsvector), ARRAY[''])
""")


def upgrade() -> None:
    """Make the tables, and let what is in the register be found."""
    op.execute(TABLES)
    for name in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute(TRIGGERS)
    op.execute(GRANTS)
    db = op.get_bind()
    for row in db.execute(sa.text(NEWEST)).all():
        db.execute(KEEP, {"participant_id": row.participant_id, "version": row.version,
                          **_vectors(row.content)})  # fmt: skip


def downgrade() -> None:
    """Refuse: the register is never downgraded."""
    raise NotImplementedError("the register is never downgraded: restore a backup instead")


# As the cabinet does it; PostgreSQL's own small letters are those of its locale.
def _vectors(entry: dict[str, Any]) -> dict[str, str]:
    applicant, certificate = entry["applicant"], entry["certificate"] or {"number": ""}
    name = [(word, "A") for word in _words(applicant["name"])]
    number = [(word, "B") for word in _number(certificate["number"])]
    words = [*name, *((word, "B") for word in _number(applicant["tax_number"])), *number]
    for row in entry["equipment"]:
        words += [(word, "D") for word in _words(row["model"])]
        words += [(word, "C") for word in _words(row["site"])]
    public = [*name, *number] if applicant["kind"] == "entity" else []
    return {"words": _vector(words), "public_words": _vector(public)}


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text).casefold()
    letters = "".join(one for one in plain if not unicodedata.combining(one))
    return re.findall(r"[^\W_]+", letters.translate(str.maketrans("өүң", "оун")))


def _number(number: str) -> list[str]:
    parts = _words(number)
    return [word for word in dict.fromkeys([*parts, "".join(parts)]) if word]


def _vector(words: list[tuple[str, str]]) -> str:
    known = list(dict.fromkeys(words))[:16_000]
    return " ".join(f"'{word}':{place}{where}" for place, (word, where) in enumerate(known, 1))

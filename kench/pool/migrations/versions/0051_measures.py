"""Decisions on participants that they see whole, and suspensions by the authorised body.

Nothing of it is changed or taken back. `open_suspensions` holds those that have not ended, one of a
participant at most, and follows the events by triggers alone. While one is in force nobody lets
the participant mine, whoever asks for it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE decisions (
    id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant_id integer NOT NULL REFERENCES participants,
    kind           text NOT NULL CHECK (kind IN ('exclusion', 'suspension', 'lifting')),
    act_id         bigint NOT NULL UNIQUE REFERENCES signed_acts,
    at             timestamptz NOT NULL
);
CREATE INDEX decisions_of_participant ON decisions (participant_id, id);

CREATE TABLE decision_reads (
    decision_id integer NOT NULL REFERENCES decisions,
    person_id   integer NOT NULL REFERENCES persons,
    at          timestamptz NOT NULL,
    PRIMARY KEY (decision_id, person_id)
);

CREATE TABLE suspensions (
    id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant_id integer NOT NULL REFERENCES participants,
    act_id         bigint NOT NULL UNIQUE REFERENCES signed_acts,
    ground         text NOT NULL CHECK (ground IN ('inspection', 'aml', 'order', 'danger')),
    begins         date NOT NULL,
    -- The first day on which it may mine again; NULL: until another decision.
    until          date CHECK (until > begins),
    at             timestamptz NOT NULL
);
CREATE INDEX suspensions_of_participant ON suspensions (participant_id, id);

CREATE TABLE suspension_ends (
    suspension_id integer PRIMARY KEY REFERENCES suspensions,
    how           text NOT NULL CHECK (how IN ('lifted', 'replaced', 'expired', 'lapsed')),
    act_id        bigint REFERENCES signed_acts,
    at            timestamptz NOT NULL,
    CHECK ((how IN ('lifted', 'replaced')) = (act_id IS NOT NULL))
);

CREATE TABLE open_suspensions (
    participant_id integer PRIMARY KEY REFERENCES participants,
    suspension_id  integer NOT NULL UNIQUE REFERENCES suspensions,
    begins         date NOT NULL,
    until          date,
    in_force       boolean NOT NULL
);
CREATE INDEX open_suspensions_by_first_day ON open_suspensions (begins) WHERE NOT in_force;
CREATE INDEX open_suspensions_by_last_day ON open_suspensions (until);
"""

EVENTS = """
ALTER TABLE membership_events
    DROP CONSTRAINT membership_events_act_check,
    DROP CONSTRAINT membership_events_state_check,
    ADD CONSTRAINT membership_events_act_check CHECK (act IN ('register', 'suspend', 'resume',
        'return', 'leave', 'exclude', 'bar', 'lift', 'expire')),
    ADD CONSTRAINT membership_events_state_check
        CHECK (state IN ('registered', 'suspended', 'barred', 'left', 'excluded'));
"""

RULES = """
CREATE FUNCTION check_suspension() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The last line of what was signed is the decision as data.
    IF (
        SELECT (data ->> 'participant', data ->> 'ground', data ->> 'until')
        FROM (
            SELECT substring(rtrim(convert_from(content, 'UTF8'), chr(10))
                FROM '[^' || chr(10) || ']*$')::jsonb AS data
            FROM signed_acts WHERE id = NEW.act_id AND purpose = 'suspension'
        ) AS signed
    ) IS DISTINCT FROM (NEW.participant_id::text, NEW.ground, NEW.until::text) THEN
        RAISE EXCEPTION 'suspension % is not what was signed', NEW.id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER check_suspension AFTER INSERT ON suspensions
    FOR EACH ROW EXECUTE FUNCTION check_suspension();

CREATE FUNCTION follow_suspension() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO open_suspensions
        VALUES (NEW.participant_id, NEW.id, NEW.begins, NEW.until, false);
    RETURN NULL;
END $$;
CREATE TRIGGER follow_suspension AFTER INSERT ON suspensions
    FOR EACH ROW EXECUTE FUNCTION follow_suspension();

CREATE FUNCTION follow_suspension_end() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM open_suspensions WHERE suspension_id = NEW.suspension_id;
    RETURN NULL;
END $$;
CREATE TRIGGER follow_suspension_end AFTER INSERT ON suspension_ends
    FOR EACH ROW EXECUTE FUNCTION follow_suspension_end();

-- It is in force from its step in the participant's way on; who is none any more has none.
CREATE FUNCTION follow_membership() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.act = 'bar' THEN
        UPDATE open_suspensions SET in_force = true WHERE participant_id = NEW.participant_id;
    ELSIF NEW.state IN ('left', 'excluded') THEN
        INSERT INTO suspension_ends (suspension_id, how, at)
            SELECT suspension_id, 'lapsed', NEW.at FROM open_suspensions
            WHERE participant_id = NEW.participant_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER follow_membership AFTER INSERT ON membership_events
    FOR EACH ROW EXECUTE FUNCTION follow_membership();

CREATE FUNCTION keep_barred() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM open_suspensions WHERE participant_id = NEW.id AND in_force) THEN
        RAISE EXCEPTION 'the authorised body suspended participant %: a signed decision ends it',
            NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_barred BEFORE UPDATE OF state ON participants
    FOR EACH ROW WHEN (NEW.state = 'active' AND OLD.state <> 'active')
    EXECUTE FUNCTION keep_barred();

INSERT INTO decisions (participant_id, kind, act_id, at)
    SELECT event.participant_id, 'exclusion', event.act_id, event.at
    FROM membership_events AS event JOIN signed_acts AS acts ON acts.id = event.act_id
    WHERE acts.purpose = 'exclusion' ORDER BY event.id;
"""

TAX = """
-- The tax service knows one word for who may not mine for a while.
CREATE OR REPLACE VIEW tax_register AS
    SELECT entry.participant_id, entry.version, entry.at AS entered_at,
        (SELECT CASE state WHEN 'barred' THEN 'suspended' ELSE state END
         FROM membership_events AS event
         WHERE event.participant_id = entry.participant_id ORDER BY id DESC LIMIT 1) AS state,
        entry.content #>> '{applicant,kind}' AS kind,
        entry.content #>> '{applicant,name}' AS name,
        entry.content #>> '{applicant,tax_number}' AS tax_number,
        entry.content #>> '{certificate,number}' AS certificate_number,
        entry.content #>> '{certificate,issued}' AS certificate_issued
    FROM register_entries AS entry
    WHERE NOT EXISTS (SELECT FROM register_entries AS later
        WHERE later.participant_id = entry.participant_id AND later.version > entry.version);
"""

TEMPLATES = """
ALTER TABLE desk_templates
    DROP CONSTRAINT desk_templates_kind_check,
    ADD CONSTRAINT desk_templates_kind_check CHECK (kind IN ('refusal', 'exclusion', 'message',
        'suspension', 'lifting', 'circular'));
"""

TEXTS = """
suspension ky Текшерүүнүн жыйынтыгы боюнча убактылуу токтотуу
{name} (№ {number}) катышуучуну текшерүүдө аныкталды:
-
Майнингди улантуу үчүн аткарылышы керек:
-

suspension ru Приостановление по результатам проверки
При проверке участника {name} (№ {number}) установлено:
-
Чтобы продолжить майнинг, необходимо:
-

suspension en Suspension after an inspection
The inspection of {name} (No. {number}) found:
-
To mine again it must:
-

suspension ky Тармакка же пулга коркунуч
{day} карата {name} (№ {number}) жабдууларынын иши коркунуч туудурат:
- эмнеге:
- эмне менен аныкталган:

suspension ru Угроза энергосети или пулу
На {day} работа оборудования участника {name} (№ {number}) создаёт угрозу:
- чему:
- чем установлено:

suspension en Danger to the grid or the pool
On {day} the work of the equipment of {name} (No. {number}) is a danger:
- to what:
- by what it was found:

lifting ky Себептер четтетилди
{name} (№ {number}) убактылуу токтотуунун себептерин четтетти:
- эмне жасалды:
- эмне менен тастыкталды:

lifting ru Причины устранены
Участник {name} (№ {number}) устранил причины приостановления:
- что сделано:
- чем подтверждено:

lifting en The reasons are gone
{name} (No. {number}) did away with the reasons of the suspension:
- what was done:
- by what it was confirmed:

circular ky Жүктөмдү чектөө
{day} тартып электр тармагындагы жүктөм чектелет:
- качан:
- кайсы аймактарда:
- катышуучулар эмне кылышы керек:

circular ru Ограничение нагрузки
С {day} ограничивается нагрузка на энергосеть:
- когда:
- в каких регионах:
- что сделать участникам:

circular en Limit of the load
From {day} on the load of the grid is limited:
- when:
- in which regions:
- what participants are to do:

circular ky Эрежелердин өзгөрүшү
Мамлекеттик системанын эрежелери өзгөрөт:
- эмне өзгөрөт:
- качандан тартып:
- кайсы буйрук менен:

circular ru Изменение правил
Изменяются правила Госсистемы:
- что изменяется:
- с какого дня:
- каким приказом:

circular en Change of rules
The rules of the State System change:
- what changes:
- from which day on:
- by which order:
"""
"""Each begins with what it is for, the language and the title."""

APPEND_ONLY = ("decisions", "decision_reads", "suspensions", "suspension_ends")
GRANTS = """
GRANT SELECT ON open_suspensions TO kench_cabinet;
GRANT SELECT ON decisions, decision_reads, suspensions, suspension_ends, open_suspensions
    TO kench_read;
"""


def upgrade() -> None:
    """Make the tables, their rules, put texts to begin with in, and grant."""
    op.execute(TABLES)
    op.execute(EVENTS)
    op.execute(RULES)
    op.execute(TAX)
    op.execute(TEMPLATES)
    for name in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"GRANT SELECT, INSERT ON {name} TO kench_cabinet")
    op.execute(GRANTS)
    last = op.get_bind().scalar(sa.text("SELECT coalesce(max(number), 0) FROM desk_templates"))
    rows = []
    for number, block in enumerate(TEXTS.strip().split("\n\n"), start=(last or 0) + 1):
        head, _, text = block.partition("\n")
        kind, language, title = head.split(" ", 2)
        rows.append(
            {"number": number, "kind": kind, "language": language, "title": title, "text": text}
        )
    op.get_bind().execute(
        sa.text(
            "INSERT INTO desk_templates (number, version, kind, language, title, text, is_used, at)"
            " VALUES (:number, 1, :kind, :language, :title, :text, true, now())"
        ),
        rows,
    )


def downgrade() -> None:
    """Refuse: what was decided and signed is not thrown away by a schema change."""
    raise NotImplementedError("decisions are never downgraded: restore a backup instead")

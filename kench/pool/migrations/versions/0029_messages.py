"""Messages of the authorised body to one participant, who opened them, and what was answered.

None of it is changed or taken back; a message and an answer have a signed act of their author, and
a message is answered once.
"""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE messages (
    id             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant_id integer NOT NULL REFERENCES participants,
    act_id         bigint NOT NULL UNIQUE REFERENCES signed_acts,
    person_id      integer NOT NULL REFERENCES persons,
    title          text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 150),
    at             timestamptz NOT NULL
);
CREATE INDEX messages_of ON messages (participant_id, id);

CREATE TABLE message_reads (
    message_id integer NOT NULL REFERENCES messages,
    person_id  integer NOT NULL REFERENCES persons,
    at         timestamptz NOT NULL,
    PRIMARY KEY (message_id, person_id)
);

CREATE TABLE message_answers (
    message_id integer PRIMARY KEY REFERENCES messages,
    act_id     bigint NOT NULL UNIQUE REFERENCES signed_acts,
    person_id  integer NOT NULL REFERENCES persons,
    at         timestamptz NOT NULL
);
"""


def upgrade() -> None:
    """Make the tables, their rules, and grant."""
    op.execute(TABLES)
    for name in ("messages", "message_reads", "message_answers"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        op.execute(f"GRANT SELECT, INSERT ON {name} TO kench_cabinet")
        op.execute(f"GRANT SELECT ON {name} TO kench_read")


def downgrade() -> None:
    """Refuse: what was written and signed is not thrown away by a schema change."""
    raise NotImplementedError("messages are never downgraded: restore a backup instead")

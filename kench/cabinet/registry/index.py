"""What the register is searched by, kept beside it: written with each version of an entry."""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSVECTOR, insert

from kench.cabinet.registration.application import Applicant, Certificate
from kench.cabinet.registration.equipment import Equipment
from kench.cabinet.registry.tables import register_words
from kench.cabinet.registry.words import public_words_of, vector_of, words_of_entry


def index_entry(  # noqa: PLR0913, PLR0917 - one entry
    db: sa.Connection,
    participant_id: int,
    version: int,
    applicant: Applicant,
    certificate: Certificate | None,
    equipment: Iterable[Equipment],
) -> None:
    """Let an entry be found by what it says now, in the transaction that enters it."""
    rows = list(equipment)
    found = {
        "version": version,
        "words": sa.cast(vector_of(words_of_entry(applicant, certificate, rows)), TSVECTOR),
        "public_words": sa.cast(vector_of(public_words_of(applicant, certificate)), TSVECTOR),
        "regions": sorted({row.region.value for row in rows}),
    }
    made = insert(register_words).values(participant_id=participant_id, **found)
    db.execute(made.on_conflict_do_update(index_elements=["participant_id"], set_=found))

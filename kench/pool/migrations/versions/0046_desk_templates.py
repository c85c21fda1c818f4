"""Texts that officers begin decisions and messages from, in versions that stay.

What is here at first can be edited at the desk by who has the role of head.
"""

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE desk_templates (
    number   integer NOT NULL CHECK (number > 0),
    version  integer NOT NULL CHECK (version > 0),
    kind     text NOT NULL CHECK (kind IN ('refusal', 'exclusion', 'message')),
    ground   text CHECK (ground IN ('30.1', '30.2', '30.3', '30.4', '30.5')),
    language text NOT NULL CHECK (language IN ('ky', 'ru', 'en')),
    title    text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 150),
    text     text NOT NULL CHECK (char_length(text) BETWEEN 1 AND 4000),
    is_used  boolean NOT NULL,
    -- Of the texts that were here at first, nobody.
    made_by  integer REFERENCES persons,
    at       timestamptz NOT NULL,
    PRIMARY KEY (number, version),
    CHECK ((ground IS NOT NULL) = (kind = 'refusal'))
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON desk_templates
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON desk_templates TO kench_cabinet;
GRANT SELECT ON desk_templates TO kench_read;
"""

TEXTS = """
refusal 30.1 ky Документтер талапка жооп бербейт
{number} арыз боюнча документтер Тартиптин талаптарына жооп бербейт:
-

refusal 30.1 ru Документы не соответствуют требованиям
Документы к заявлению {number} не соответствуют требованиям Порядка:
-

refusal 30.1 en Documents do not meet the requirements
The documents of application {number} do not meet the requirements of the Procedure:
-

refusal 30.2 ky Документтер толук эмес
{number} арызга төмөнкү документтер тиркелген эмес:
-

refusal 30.2 ru Неполный пакет документов
К заявлению {number} не приложены документы:
-

refusal 30.2 en Set of documents incomplete
These documents are missing from application {number}:
-

refusal 30.3 ky Жалган маалымат
{number} арыздагы маалымат чындыкка дал келбейт:
- көрсөтүлгөнү:
- аныкталганы:

refusal 30.3 ru Недостоверные сведения
Сведения в заявлении {number} не соответствуют действительности:
- указано:
- установлено:

refusal 30.3 en False information
What application {number} says is not so:
- said:
- found:

refusal 30.4 ky Жабдуу талапка жооп бербейт
{number} арыздагы жабдуу Мамлекеттик системанын техникалык талаптарына жооп бербейт:
- модели:
- талап:

refusal 30.4 ru Оборудование не соответствует требованиям
Оборудование в заявлении {number} не соответствует техническим требованиям Госсистемы:
- модель:
- требование:

refusal 30.4 en Equipment does not meet the requirements
The equipment of application {number} does not meet the State System's technical requirements:
- model:
- requirement:

refusal 30.5 ky Майнинг күбөлүгү жок
{day} карата {name} майнинг күбөлүгүнө ээ эмес.

refusal 30.5 ru Нет свидетельства майнинга
У заявителя {name} на {day} нет свидетельства майнинга.

refusal 30.5 en No mining certificate
On {day} {name} has no mining certificate.

exclusion - ky Тартипти бузуу
{name} (№ {number}) Тартипти бузду:
- эмне бузулган:
- качан жана эмне менен аныкталган:

exclusion - ru Нарушение Порядка
{name} (№ {number}) нарушает Порядок:
- что нарушено:
- когда и чем установлено:

exclusion - en Breach of the Procedure
{name} (No. {number}) broke the Procedure:
- what was broken:
- when and by what it was found:

message - ky Маалыматты тактоо
{name}, төмөнкүнү тактап бериңиз:
-
Жообуңузду ушул катка бериңиз.

message - ru Уточнение сведений
{name}, просим уточнить:
-
Ответьте на это сообщение.

message - en Please clarify
{name}, please clarify:
-
Answer this message.
"""
"""Each begins with what it is for, the ground, the language and the title."""


def upgrade() -> None:
    """Make the table, with texts to begin with."""
    op.execute(TABLE)
    rows = []
    for number, block in enumerate(TEXTS.strip().split("\n\n"), start=1):
        head, _, text = block.partition("\n")
        kind, ground, language, title = head.split(" ", 3)
        rows.append(
            {
                "number": number, "kind": kind, "ground": None if ground == "-" else ground,
                "language": language, "title": title, "text": text,
            }
        )  # fmt: skip
    op.get_bind().execute(
        sa.text(
            "INSERT INTO desk_templates (number, version, kind, ground, language, title, text,"
            " is_used, at) VALUES (:number, 1, :kind, :ground, :language, :title, :text, true,"
            " now())"
        ),
        rows,
    )


def downgrade() -> None:
    """Refuse: what decisions began from is kept."""
    raise NotImplementedError("templates are never thrown away: restore a backup instead")

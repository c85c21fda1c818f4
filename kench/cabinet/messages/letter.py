"""What a message and its answer hold, how a form is read into them, and the texts to sign. Pure."""

from collections.abc import Mapping

import msgspec

from kench.cabinet.registration.bodies import line, whole
from kench.cabinet.registration.fields import line_of, paragraphs_of
from kench.cabinet.registration.gaps import Gap, Words
from kench.cabinet.words.catalogues import N_

TITLE_MAX, TEXT_MAX = 150, 4000


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of an officer, to one participant."""

    participant: int
    title: str
    text: str


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of an owner; a message has one."""

    message: int
    text: str


def read_message(participant_id: int, fields: Mapping[str, str]) -> Message | list[Gap]:
    """The message in a form, or what is missing."""
    title = line_of(fields.get("title", ""), TITLE_MAX)
    text = paragraphs_of(fields.get("text", ""), TEXT_MAX)
    if title is not None and text is not None:
        return Message(participant_id, title, text)
    gaps = [Gap("title", N_("Say what it is about, in 150 characters at most"))]
    gaps.append(_NO_TEXT)
    return [gap for gap, given in zip(gaps, (title, text), strict=True) if given is None]


def read_answer(message_id: int, typed: str) -> Answer | list[Gap]:
    """The answer in a form, or what is missing."""
    text = paragraphs_of(typed, TEXT_MAX)
    return [_NO_TEXT] if text is None else Answer(message_id, text)


def message_body(message: Message, participant: str, _: Words) -> str:
    """A message to be signed."""
    lines = [
        line(_, N_("Participant"), f"{message.participant}, {participant}"),
        line(_, N_("About"), message.title),
        "",
        message.text,
    ]
    return whole(lines, message, _)


def answer_body(answer: Answer, title: str, _: Words) -> str:
    """An answer to be signed; `title` is the message's."""
    lines = [line(_, N_("Answer to the message"), f"{answer.message}, {title}"), "", answer.text]
    return whole(lines, answer, _)


_NO_TEXT = Gap("text", N_("Write a text, in 4000 characters at most"))

"""The index of the pictures: docs/pages.md."""

from kench.cabinet.words.languages import Language
from tests.cabinet.pictures.pages import GALLERY, Picture
from tests.support.browser import PHONE, WIDE

HEAD = """\
# Pages of the cabinet

Every page there is, with made-up people and numbers, in Kyrgyz, Russian and English, {wide} and
{phone} px wide; long ones are cut. `make pictures` makes all of them anew.
"""


def picture_file(name: str, language: Language, width: int) -> str:
    """Return the name of a picture's file."""
    return f"{name}-{language.value}-{width}.webp"


def index_of() -> str:
    """Return the index as it must be."""
    parts = [HEAD.format(wide=WIDE[0], phone=PHONE[0])]
    for room in GALLERY:
        parts.append(f"\n## {room.title}\n\n| page | address | | |\n|---|---|---|---|\n")
        parts += [_row(picture) for picture in room.pictures]
    return "".join(parts)


def _row(picture: Picture) -> str:
    shown = f"pictures/{picture_file(picture.name, Language.KY, WIDE[0])}"
    thumbnail = f'<a href="{shown}"><img src="{shown}" alt="{picture.name}" width="220"></a>'
    links = "<br>".join(
        f"{language.own_name}: "
        + ", ".join(
            f"[{width}](pictures/{picture_file(picture.name, language, width)})"
            for width in (WIDE[0], PHONE[0])
        )
        for language in Language
    )
    return f"| {picture.title} | `{picture.route}` | {thumbnail} | {links} |\n"

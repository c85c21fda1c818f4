"""Months as bars, drawn as SVG by the server: what browsers without scripts show, and print."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kench.cabinet.web.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Mark, nice_top

LINES = 4
GAP = 0.3
"""Of a bar's place, so much is left free."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in units of the view box, and what is written below it."""

    x: float
    y: float
    width: float
    height: float
    middle: float
    label: str


@dataclass(frozen=True, slots=True)
class BarDrawing:
    """A chart of bars."""

    bars: tuple[Bar, ...]
    scale: tuple[Mark, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT


def bars_of(
    labels: Sequence[str], values: Sequence[float], written: Callable[[float], str]
) -> BarDrawing:
    """Draw values beside each other; `written` writes the scale."""
    top = nice_top(max(values, default=0.0))
    floor = HEIGHT - BOTTOM
    place = (WIDTH - LEFT - RIGHT) / max(1, len(values))

    def bar(number: int, label: str, value: float) -> Bar:
        height = round((floor - TOP) * value / top, 1)
        left = LEFT + place * (number + GAP / 2)
        width = place * (1 - GAP)
        return Bar(
            round(left, 1), round(floor - height, 1), round(width, 1), height,
            round(left + width / 2, 1), label,
        )  # fmt: skip

    return BarDrawing(
        tuple(
            bar(number, label, value)
            for number, (label, value) in enumerate(zip(labels, values, strict=True))
        ),
        tuple(
            Mark(round(floor - (floor - TOP) * step / LINES, 1), written(top * step / LINES))
            for step in range(LINES + 1)
        ),
    )

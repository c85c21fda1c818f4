"""A series drawn as SVG by the server: what browsers without scripts show, and print."""

from dataclasses import dataclass
from datetime import datetime

from kench.cabinet.numbers.series import Series, Span
from kench.cabinet.words.formats import Formats
from kench.pool.moments import BISHKEK

WIDTH, HEIGHT = 720, 240
LEFT, RIGHT, TOP, BOTTOM = 76, 12, 12, 28
LINES = 4
MARKS = 4
NICE = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True, slots=True)
class Mark:
    """A place on an axis, and what is written there."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart in units of its view box."""

    line: str
    area: str
    hashrates: tuple[Mark, ...]
    times: tuple[Mark, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


def drawing_of(series: Series, formats: Formats) -> Drawing:
    """Draw a series."""
    top = nice_top(max((point.hashrate for point in series.points), default=0.0))
    count = len(series.points)

    def x(index: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * index / max(1, count - 1), 1)

    def y(hashrate: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * hashrate / top, 1)

    steps = [f"{x(index)} {y(point.hashrate)}" for index, point in enumerate(series.points)]
    line = "M" + "L".join(steps) if steps else ""
    floor = HEIGHT - BOTTOM
    marks = [round(number * (count - 1) / MARKS) for number in range(MARKS + 1)] if steps else []
    return Drawing(
        line,
        f"{line}L{x(count - 1)} {floor}L{LEFT} {floor}Z" if steps else "",
        tuple(
            Mark(y(top * number / LINES), formats.hashrate(top * number / LINES))
            for number in range(LINES + 1)
        ),
        tuple(Mark(x(one), _time_text(series.points[one].at_s, series.span)) for one in marks),
    )


def nice_top(most: float) -> float:
    """Return a round number that is no less than the most, to be the top of the axis."""
    size = 1.0
    while size * NICE[-1] < most:
        size *= 10
    return next(size * one for one in NICE if size * one >= most)


def _time_text(at_s: int, span: Span) -> str:
    at = datetime.fromtimestamp(at_s, BISHKEK)
    return at.strftime({Span.DAY: "%H:%M", Span.YEAR: "%m.%Y"}.get(span, "%d.%m"))

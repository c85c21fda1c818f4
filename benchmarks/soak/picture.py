"""A soak in one picture (SVG): a small chart for each kind of figure, faults as lines."""

import html
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.soak.slopes import Floats

WIDTH, CHART, LEFT, RIGHT, GAP, TOP = 1000, 120, 64, 176, 30, 46
# Told apart also by who does not see all colours alike.
COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f7f7f",
    "#9467bd", "#8c564b", "#17becf",
)  # fmt: skip
CHARTS = (
    ("shares acknowledged a second", ("acknowledged/s",)),
    ("answer, ms (p50, p99)", ("answer p50 ms", "answer p99 ms")),
    ("shares refused and unserved a second", ("refused/s", "unserved/s")),
    ("seconds that settlement is behind", ("settlement behind s",)),
    ("blocks, fills", ("blocks", "fills")),
    ("pages and questions failed a second", ("pages failed", "questions failed")),
    ("memory, MB", ("memory MB ",)),
    ("descriptors", ("descriptors ",)),
    ("threads", ("threads ",)),
    ("database, MB", ("database MB",)),
)


def picture(
    title: str,
    times_s: Floats,
    series: Mapping[str, Floats],
    faults: Sequence[tuple[float, str]],
) -> str:
    """Return the picture's text."""
    charts = [
        (words, {name: series[name] for name in series if name.startswith(begun)})
        for words, begun in CHARTS
    ]
    charts = [(words, some) for words, some in charts if some]
    height = TOP + len(charts) * (CHART + GAP) + 20
    until = float(times_s[-1]) if len(times_s) else 1.0
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
    out = [
        svg + 'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="{LEFT}" y="18" font-size="14">{html.escape(title)}</text>',
        f'<text x="{LEFT}" y="34" fill="#666">each grey line: a fault; minutes below</text>',
    ]
    for number, (words, some) in enumerate(charts):
        top = TOP + number * (CHART + GAP)
        out += _chart(words, top, times_s, some, faults, until)
    return "\n".join([*out, "</svg>"]) + "\n"


def _chart(  # noqa: PLR0913, PLR0917 - what it shows, and where
    words: str,
    top: int,
    times_s: Floats,
    some: Mapping[str, Floats],
    faults: Sequence[tuple[float, str]],
    until: float,
) -> list[str]:
    wide = WIDTH - LEFT - RIGHT
    most = max(
        (float(np.nanmax(one)) for one in some.values() if np.isfinite(one).any()), default=0
    )
    most = most or 1.0

    def across(at: float) -> float:
        return LEFT + wide * at / until

    def down(value: float) -> float:
        return top + CHART - (CHART - 14) * value / most

    frame = f'x="{LEFT}" y="{top + 14}" width="{wide}" height="{CHART - 14}"'
    out = [
        f'<text x="{LEFT}" y="{top + 8}" fill="#333">{html.escape(words)}</text>',
        f'<rect {frame} fill="none" stroke="#ccc"/>',
        f'<text x="{LEFT - 4}" y="{top + 20}" text-anchor="end">{_short(most)}</text>',
        f'<text x="{LEFT - 4}" y="{top + CHART}" text-anchor="end">0</text>',
    ]
    out += [
        f'<line x1="{across(at):.1f}" y1="{top + 14}" x2="{across(at):.1f}" '
        f'y2="{top + CHART}" stroke="#ddd"><title>{html.escape(name)}</title></line>'
        for at, name in faults
    ]
    for minute in range(0, int(until / 60) + 1, max(1, int(until / 600))):
        out.append(
            f'<text x="{across(minute * 60):.1f}" y="{top + CHART + 11}" fill="#888" '
            f'text-anchor="middle" font-size="9">{minute}</text>'
        )
    for number, (name, values) in enumerate(some.items()):
        colour = COLOURS[number % len(COLOURS)]
        for piece in _pieces(times_s, values):
            points = " ".join(f"{across(at):.1f},{down(value):.1f}" for at, value in piece)
            out.append(
                f'<polyline fill="none" stroke="{colour}" stroke-width="1" points="{points}"/>'
            )
        out.append(
            f'<text x="{WIDTH - RIGHT + 8}" y="{top + 22 + 10 * number}" fill="{colour}" '
            f'font-size="9">{html.escape(name)}</text>'
        )
    return out


def _pieces(times_s: Floats, values: Floats) -> list[list[tuple[float, float]]]:
    """Return the runs of samples that are there."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for at, value in zip(times_s.tolist(), values.tolist(), strict=True):
        if np.isfinite(value):
            pieces[-1].append((at, max(value, 0.0)))
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"

"""Draws docs/kench-up.svg: `kench status --json | python -m kench.up.portrait > docs/kench-up.svg`.

The picture is what `kench up` shows on a terminal, made by the same function.
"""

import io
import json
import re
import sys

from rich.console import Console

from kench.up.screen import picture

WIDTH = 108
COMMAND = "$ make run"


def portrait(status_json: str) -> str:
    """Return the SVG for the object that `kench status --json` prints."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print("kench: ready", highlight=False)
    status = json.loads(status_json)
    console.print(picture({**status, "blocks": status["blocks"][:5]}))
    svg = console.export_svg(title=COMMAND)
    # The fonts would be fetched from somebody's server by whoever looks at the picture.
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


if __name__ == "__main__":
    sys.stdout.write(portrait(sys.stdin.read()))

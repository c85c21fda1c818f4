"""How a benchmark ends: its faults for people, its figures for a file, a status that tells."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console


def end(console: Console, faults: Sequence[str], figures: object, file: Path | None) -> int:
    """Print what is not as it must be, write the figures where wanted; return 1 for any fault."""
    for fault in faults:
        console.print(f"[bold]not as it must be:[/bold] {fault}")
    if file is not None:
        file.write_text(json.dumps(figures, indent=1) + "\n")
    return 1 if faults else 0

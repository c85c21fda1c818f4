"""Run the targets in turn, print what came of each; status 1 where one crashed, hung or grew."""

import argparse
import importlib
import importlib.util
import signal
import sys
from pathlib import Path

from fuzz import run
from fuzz.places import FOUND, ROOT
from fuzz.targets import TARGETS

EXECUTIONS = 1_000_000
_ROW = "{:<14}{:>12}{:>8}{:>9}{:>7}{:>9}{:>10}   {}"


def main() -> int:
    """Fuzz, or replay one input."""
    arguments = _arguments()
    unknown = sorted(set(arguments.targets) - set(TARGETS))
    if unknown:
        print(f"no target is called {unknown[0]}: there are {', '.join(TARGETS)}", file=sys.stderr)
        return 2
    targets = arguments.targets or list(TARGETS)
    if arguments.replay:
        for path in arguments.replay:
            importlib.import_module(f"fuzz.targets.{targets[0]}").check(path.read_bytes())
        return 0
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: run this by `make fuzz`", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    return _fuzz(targets, arguments.executions, arguments.seconds)


def _fuzz(targets: list[str], executions: int | None, seconds: int) -> int:
    if executions is None:
        executions = 0 if seconds else EXECUTIONS
    if not run.native_is_sanitized():
        print("native code is not instrumented (see fuzz/README.md): it is fuzzed blindly")
    weights = {name: importlib.import_module(f"fuzz.targets.{name}").EXECUTIONS for name in targets}
    print(_ROW.format("target", "executions", "s", "per s", "cov", "peak MB", "growth MB", ""))
    results = []
    for name in targets:
        result = run.run(name, executions * weights[name] // sum(weights.values()), seconds)
        results.append(result)
        _show(result)
    total, took = sum(one.executions for one in results), sum(one.seconds for one in results)
    peak, growth = (max(getattr(one, of) for one in results) for of in ("rss_peak_mb", "growth_mb"))
    print(_ROW.format("all", f"{total:,}", f"{took:.0f}", "", "", peak, growth, ""))
    return int(any(one.failure for one in results))


def _show(one: run.Result) -> None:
    print(
        _ROW.format(
            one.target,
            f"{one.executions:,}",
            f"{one.seconds:.0f}",
            f"{one.executions / one.seconds:,.0f}",
            one.coverage,
            one.rss_peak_mb,
            one.growth_mb,
            one.failure,
        ),
        flush=True,
    )
    if one.failure:
        print(f"  said: {(FOUND / one.target).relative_to(ROOT)}.log")
    if one.found:
        kept = one.found.relative_to(ROOT)
        print(f"  again: python -m fuzz {one.target} --replay {kept}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m fuzz",
        description="Fuzz what reads other people's bytes, guided by coverage.",
        epilog="example: python -m fuzz session plain --seconds 60",
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument(
        "--executions",
        type=int,
        metavar="N",
        help=f"in all targets together, each by its share ({EXECUTIONS:,})",
    )
    parser.add_argument("--seconds", type=int, default=0, metavar="S", help="for each target")
    parser.add_argument(
        "--replay", type=Path, nargs="+", metavar="FILE", help="give these inputs to one target"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

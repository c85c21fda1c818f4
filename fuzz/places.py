"""Where the fuzzer finds things, and where it leaves them."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
# What is in the tree: small, and replayed by the tests.
CORPUS = ROOT / "fuzz" / "corpus"
# What runs have found worth keeping; grows from run to run.
GROWN = ROOT / "build" / "fuzz-corpus"
# Inputs that broke something, and what was said of each.
FOUND = ROOT / "build" / "fuzz-found"
# Native code with sanitizers and coverage (`make fuzz` builds it).
NATIVE = ROOT / "build" / "fuzz" / "kench" / "native"
# Tells a harness to take native code from there.
NATIVE_FROM = "KENCH_FUZZ_NATIVE"

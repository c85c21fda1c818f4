"""The rules of the house that no linter knows: arrows, sizes, names, secrets, locks."""

import ast
import json
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from kench import __version__

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "kench").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
CODE = ("kench", "tests", "benchmarks", "supply", "fuzz")
MODULE_LINES_MAX, TEST_LINES_MAX, FUNCTION_LINES_MAX = 500, 800, 70

# Whom each package may import besides itself. `up` and `commands` are roots: nobody imports them,
# but that `kench up` shows the table of `kench status`.
ARROWS = {
    "native": set(),
    "pool": {"native"},
    "stratum": {"native", "pool"},
    "payouts": {"native", "pool"},
    "node": {"native", "pool"},
    "miner": {"native", "pool"},
    "sale": {"native", "pool", "payouts"},
    "venue": {"native", "pool"},
    "screening": {"pool"},
    "cabinet": {"native", "pool", "payouts", "sale"},
    "tax": {"native", "pool", "payouts"},
    "xroad": {"pool"},
    "consumer": {"pool"},
    "demo": {"native", "pool", "payouts", "pki"},
    "pki": {"pool"},
    "backup": {"native", "pool"},
    "sim": {"native", "pool", "stratum"},
    "doctor": {"native", "pool"},
    "install": {"native", "pool", "payouts"},
    "commands": {"native", "pool", "payouts", "sale", "backup"},
    "up": {"native", "pool", "commands", "pki"},
}
BANNED_NAMES = re.compile(r"(?:manager|helper|util)s?\b", re.IGNORECASE)
# Who may print: the roots, and what shows things to the people at the terminal.
PRINTING = {"kench/pool/roots.py", "kench/pool/settings_doc.py", "kench/cli.py"}
# Modules in which an amount of money or work is computed; Decimal and float have no place there.
EXACT = {"work_of", "work_of_share"}
LOCKS = {
    "requirements.lock": 30, "requirements-dev.lock": 40, "requirements-fuzz.lock": 30,
    "requirements-assets.lock": 2,
}  # fmt: skip
"""Each with how many packages it has at least."""
MONEY = ["split", "rounds", "open_work", "kept_work", "look_back", "day", "outputs",
         "ledger", "transfers", "totals", "settle", "follow",
         "merge", "resumed", "journals", "positions", "booking",
         "methods/round", "methods/pplns", "methods/period",
         "accounts", "postings", "proceeds/settlement", "proceeds/write"]  # fmt: skip


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def each(paths: Iterable[Path]) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """Hold a rule for every file in one test, which names those that break it.

    A test of each file and rule is six thousand, and takes as many times longer to set up.
    """

    def of_one(rule: Callable[[Path], None]) -> Callable[[], None]:
        def of_all() -> None:
            broken = {}
            for path in paths:
                try:
                    rule(path)
                except AssertionError as error:
                    broken[_name(path)] = str(error)
            assert not broken

        of_all.__name__ = rule.__name__
        return of_all

    return of_one


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{_name(path)} has a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


@each(MODULES)
def test_imports_follow_the_arrows(path: Path) -> None:
    parts = path.relative_to(ROOT / "kench").parts
    package = parts[0] if len(parts) > 1 else ""
    allowed = ARROWS.get(package, set()) | {package}
    crossed = {
        name
        for name in _imports(path)
        if name.startswith("kench.") and name.split(".")[1] in ARROWS.keys() - allowed
    }
    assert not crossed


@each(MODULES)
def test_nothing_imports_a_root(path: Path) -> None:
    roots = {"kench.cli", *(f"kench.{name}.__main__" for name in ARROWS)}
    if _name(path) == "kench/__main__.py":
        roots.remove("kench.cli")
    assert not roots & set(_imports(path))


def test_the_command_imports_no_root() -> None:
    assert not [name for name in _imports(ROOT / "kench/cli.py") if name.startswith("kench.")
                and name != "kench.__version__"]  # fmt: skip


@each([*MODULES, *TESTS])
def test_modules_are_short(path: Path) -> None:
    limit = TEST_LINES_MAX if path in TESTS else MODULE_LINES_MAX
    assert len(path.read_text().splitlines()) <= limit


@each(MODULES)
def test_functions_fit_a_screen(path: Path) -> None:
    long = {
        function.name: length
        for function in _functions(path)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert not long


@each(MODULES)
def test_a_module_says_first_what_lives_there(path: Path) -> None:
    text = ast.get_docstring(_tree(path))
    assert text, "no docstring"
    assert path.read_text().startswith('"""'), "something stands before the docstring"


@each(MODULES)
def test_names_say_what_a_thing_does(path: Path) -> None:
    names = [path.stem] + [
        node.name
        for node in ast.walk(_tree(path))
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    assert not [name for name in names if BANNED_NAMES.search(name.replace("_", " "))]


@each(MODULES)
def test_only_the_clock_asks_for_the_time(path: Path) -> None:
    if _name(path) == "kench/pool/clock.py":
        return
    asked = re.findall(r"\btime\.time(?:_ns)?\(|datetime\.(?:utc)?now\(", path.read_text())
    assert not asked


@each(MODULES)
def test_only_roots_print(path: Path) -> None:
    if path.name == "__main__.py" or path.parent.name == "commands" or _name(path) in PRINTING:
        return
    printed = [
        node.lineno
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert not printed


@each(MODULES)
def test_nothing_is_swallowed(path: Path) -> None:
    bare = [node.lineno for node in ast.walk(_tree(path))
            if isinstance(node, ast.ExceptHandler) and node.type is None]  # fmt: skip
    assert not bare


@pytest.mark.parametrize("name", MONEY)
def test_money_and_work_are_never_floats(name: str) -> None:
    """A credited difficulty is a double by its nature; `work_of` makes an exact integer of it."""
    path = ROOT / "kench" / "payouts" / f"{name}.py"
    if not path.exists():
        pytest.skip("there is no such module")
    calls = [node for node in ast.walk(_tree(path)) if isinstance(node, ast.Call)]
    exact = {
        argument
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in EXACT
        for argument in call.args
    }
    floats = [
        call.lineno
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "float" and call not in exact
    ]
    divisions = [
        node.lineno
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and not _is_path(node.left)
    ]
    assert not floats + divisions


def _is_path(node: ast.expr) -> bool:
    """Whether `node / name` joins a path: what is left of it is named so."""
    name = getattr(node, "attr", getattr(node, "id", ""))
    return name.lower().endswith(("path", "directory", "dir", "folder"))


def test_each_rule_that_is_left_out_has_its_reason() -> None:
    """On its own line: `# noqa: S603 - our own command`."""
    reasoned = re.compile(r"noqa: [A-Z]+[0-9]+(, ?[A-Z]+[0-9]+)* +(-|#) \w")
    code = [*ROOT.glob("*.py"), *(one for name in CODE for one in (ROOT / name).rglob("*.py"))]
    assert not [
        f"{_name(path)}:{number}"
        for path in code
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if "# noq" + "a" in line and not reasoned.search(line)
    ]


def test_each_test_module_mirrors_a_module() -> None:
    """tests/<package>/test_<module>.py; a test of several modules says so by its folder."""
    strays = []
    for path in TESTS:
        parts = path.relative_to(ROOT / "tests").parts
        if path.name.startswith("test_") and len(parts) > 1:
            beside = parts[0] in {"benchmarks", "deploy", "fuzz", "supply"}
            package = ROOT / (parts[0] if beside else f"kench/{parts[0]}")
            elsewhere = {"integration", "chaos", "simulation", "red_team"}
            if not package.is_dir() and parts[0] not in elsewhere:
                strays.append(_name(path))
    assert not strays


@pytest.mark.parametrize("name", LOCKS)
def test_locks_name_versions_and_hashes_and_no_place(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"https?:|file:|^\s*-(?!-hash=sha256:[0-9a-f]{64})", text, re.MULTILINE)
    packages = re.findall(
        r"^[a-z][a-z0-9-]*==\S+.*(?:\n    --hash=sha256:[0-9a-f]{64}.*)+", text, re.MULTILINE
    )
    assert len(packages) == len(re.findall(r"^[a-z]", text, re.MULTILINE)) >= LOCKS[name]


def test_the_lock_of_the_pages_scripts_names_versions_and_hashes_and_no_place() -> None:
    text = (ROOT / "kench/cabinet/assets/package-lock.json").read_text()
    lock = json.loads(text)["packages"]
    wanted = json.loads((ROOT / "kench/cabinet/assets/package.json").read_text())
    named = wanted["dependencies"] | wanted["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in named.values())
    packages = {name: entry for name, entry in lock.items() if name}
    assert len(packages) > len(named)
    for entry in packages.values():
        assert entry["integrity"].startswith("sha512-")
        assert "resolved" not in entry
    assert named.items() <= {
        (name.removeprefix("node_modules/"), entry["version"]) for name, entry in packages.items()
    }


def test_each_migration_has_a_number_of_its_own_and_follows_the_one_before() -> None:
    versions = sorted((ROOT / "kench/pool/migrations/versions").glob("[0-9]*.py"))
    assert [path.name[:4] for path in versions] == [
        f"{number:04d}" for number in range(1, len(versions) + 1)
    ]
    for number, path in enumerate(versions, start=1):
        before = f'"{number - 1:04d}"' if number > 1 else "None"
        assert f'\nrevision = "{number:04d}"\ndown_revision = {before}\n' in path.read_text(), path


def test_no_script_of_others_is_in_the_tree() -> None:
    """What others wrote comes by its lock; what is built is not kept."""
    places = ("kench/cabinet/web/static/", "node_modules/", ".min.js", ".map")
    assert not [name for name in _tracked() if any(place in name for place in places)]


def test_what_an_operator_reads_is_there() -> None:
    pages = ["README.md", "CHANGELOG.md"]
    pages += [
        f"docs/{page}.md"
        for page in ("architecture", "settings", "operations", "decisions", "ledger", "security")
    ]
    assert not [page for page in pages if not (ROOT / page).is_file()]


def test_the_changelog_names_the_version() -> None:
    assert f"[{__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def _tracked() -> list[str]:
    done = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("this is no git checkout")
    return done.stdout.split()


def test_no_key_and_no_place_of_somebodys_machine_is_in_the_tree() -> None:
    """The pool holds no keys to coins, so none is in its tests either."""
    marks = re.compile(
        rb"BEGIN [A-Z ]*PRIVATE KEY|\b[xt]prv[1-9A-HJ-NP-Za-km-z]{100,}|dumpprivkey|sethdseed"
        rb"|(?<![\w.])/(?:home|root|work)/\w|\bfiles\.pythonhosted\b"
        rb"|\bregistry\.(?:npmjs|yarnpkg)\b"
    )
    found = {}
    searches = {Path(__file__), ROOT / "tests" / "test_no_keys.py"}
    for name in _tracked():
        path = ROOT / name
        if path.is_file() and path not in searches and (hits := marks.findall(path.read_bytes())):
            found[name] = hits[:3]
    assert not found

"""Rules of CONTRIBUTING.md that no linter holds: a module is short, says what it owns, and has a telling name."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("sr_core", "stacks", "localcloud", "bench", "training", "tests")
MODULES = [*ROOT.glob("*.py"), *(path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))]
MOST_LINES = 299
SAYS_NOTHING = {"utils", "helpers", "common", "manager", "misc"}


def named(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def test_these_tests_see_the_modules() -> None:
    assert {ROOT / "app.py", ROOT / "sr_core" / "pipeline.py", ROOT / "stacks" / "config.py"} < set(MODULES)


def test_a_module_stays_under_300_lines() -> None:
    long = [path for path in MODULES if len(path.read_text().splitlines()) > MOST_LINES]
    assert named(long) == []


def test_a_module_says_what_it_owns() -> None:
    silent = [path for path in MODULES if path.stat().st_size and not ast.get_docstring(ast.parse(path.read_text()))]
    assert named(silent) == []


def test_a_modules_name_says_what_is_in_it() -> None:
    assert named([path for path in MODULES if SAYS_NOTHING & set(path.stem.split("_"))]) == []

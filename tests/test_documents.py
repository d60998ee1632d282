"""What the documents name is there: files, decisions, links and commands cannot go stale unseen."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "bench/README.md", "training/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
PACKAGES = ("sr_core", "stacks", "localcloud", "bench", "training", "tests")
FOLDERS = (*PACKAGES, r"\.github", "config", "containers", "docs")
COMMAND = r"(?:^ {4}|`)make (\w[\w-]*)"
"""In a block, or in backticks."""

documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@documents
def test_every_file_that_a_document_names_is_there(document: Path) -> None:
    text = document.read_text()
    named = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)`", text)
    named += [f"stacks/constructs/{name}" for name in re.findall(r"`stacks/[^`]*`, `(\w+\.py)`", text)]
    assert named
    for name in named:
        assert (ROOT / name).exists(), name


@documents
def test_every_module_that_a_document_names_without_its_folder_is_somewhere(document: Path) -> None:
    modules = {path.name for folder in PACKAGES for path in (ROOT / folder).rglob("*.py")}
    modules |= {path.name for path in ROOT.glob("*.py")}
    for name in re.findall(r"(?<![\w./-])(\w+\.py)\b", document.read_text()):
        assert name in modules, name


@documents
def test_every_link_of_a_document_leads_to_a_file(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
        assert (document.parent / target).exists(), target


@documents
def test_every_decision_that_a_document_names_is_recorded(document: Path) -> None:
    for number in re.findall(r"[Dd]ecision (\d{4})", document.read_text()):
        assert list((ROOT / "docs" / "decisions").glob(f"{number}-*.md")), number


@documents
def test_every_target_of_make_that_a_document_names_can_be_made(document: Path) -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for name in re.findall(COMMAND, document.read_text(), flags=re.MULTILINE):
        assert name in targets, name


def test_the_documents_name_what_these_tests_look_for() -> None:
    """A pattern that matches nothing would hold everywhere."""
    together = "\n".join(document.read_text() for document in DOCUMENTS)
    for pattern in (r"(?<![\w./-])\w+\.py\b", r"\]\([^)#:]+", r"[Dd]ecision \d{4}", COMMAND):
        assert len(re.findall(pattern, together, flags=re.MULTILINE)) >= 5, pattern

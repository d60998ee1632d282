"""What the source holds, the result holds: the cases that take no time. `make conformance` runs all."""

from pathlib import Path

import pytest

from tests.pipeline.commands import Commands

from .case import Case
from .cases import CASES
from .run import run_case

QUICK = [case for case in CASES if case.is_quick]


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.title)
def test_the_result_holds_what_the_source_holds(case: Case, sr: Commands, copying_network: Path) -> None:
    outcome = run_case(case, sr, copying_network)

    assert not outcome.failures


def test_no_two_cases_have_the_same_name() -> None:
    titles = [case.title for case in CASES]

    assert len(set(titles)) == len(titles)

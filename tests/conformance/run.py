"""Running a case: the real command as a process of its own, then the checker."""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tests.pipeline.commands import Commands
from tests.pipeline.network import tensors

from .case import Case
from .checks import check
from .expected import Finding

_TIMEOUT_SECONDS = 900


@dataclass(frozen=True)
class Outcome:
    """What came of a case."""

    case: Case
    findings: tuple[Finding, ...]
    said: str
    """Warnings, or the line of the refusal."""

    @property
    def failures(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.holds]


def make_copying_network(path: Path) -> Path:
    """A network of the compact architecture that adds nothing: every pixel comes out as two by two of itself."""
    state = {name: np.zeros_like(tensor) for name, tensor in tensors(scale=2).items()}
    save_file(state, path)
    return path


def run_case(case: Case, sr: Commands, network: Path) -> Outcome:
    """Makes the source in a folder of its own, runs the command in that of `sr`, and looks at what it leaves there."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            source = case.make_source(Path(folder))
        except (AssertionError, OSError) as error:
            return Outcome(case, (Finding("the source could be made", holds=False, detail=str(error)),), "")
        output = f"out{case.suffix}"
        ended = sr.start(*case.arguments(source, output, network)).wait(seconds=_TIMEOUT_SECONDS)
        left = sorted(path.name for path in sr.folder.iterdir())
        try:
            if isinstance(case.expected, str):
                return Outcome(case, _refused(case.expected, ended.code, ended.stderr, left), ended.stderr.strip())
            if ended.code:
                return Outcome(case, (Finding("exit code", holds=False, detail=ended.stderr.strip()),), ended.stderr)
            warnings = json.loads(ended.stdout)["warnings"]
            findings = [
                _warned(case.warnings, warnings),
                Finding("nothing else is left behind", left == [output], str(left)),
            ]
            findings += check(source, sr.folder / output, case.expected)
            return Outcome(case, tuple(findings), "; ".join(warnings))
        finally:
            for path in sr.folder.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def _refused(part: str, code: int, stderr: str, left: list[str]) -> tuple[Finding, ...]:
    return (
        Finding("exit code 64", code == 64, f"{code}: {stderr.strip()}"),
        Finding("one line that names it", stderr.count("\n") == 1 and part in stderr, stderr.strip()),
        Finding("nothing is left behind", [name for name in left if not name.startswith(".")] == [], str(left)),
    )


def _warned(expected: tuple[str, ...], warnings: list[str]) -> Finding:
    """Each expected warning is there, and no other."""
    rest = list(warnings)
    missing = []
    for part in expected:
        found = next((warning for warning in rest if part in warning), None)
        if found is None:
            missing.append(part)
        else:
            rest.remove(found)
    return Finding("warnings", not missing and not rest, f"missing: {missing}; not expected: {rest}")

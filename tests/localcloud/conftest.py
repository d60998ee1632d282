"""A cloud for all tests of this folder, and what a video must come out as."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.assembly import CloudAssembly
from localcloud.cloud import LocalCloud
from localcloud.processes import NewInterpreter, WarmFork
from tests.clips import make_clip
from tests.stacks.conftest import Synthesize, synthesize, synthesize_anew

from .runs import RUN_SETTINGS, Runs

__all__ = ["synthesize", "synthesize_anew"]


@pytest.fixture(scope="session")
def assembly(synthesize: Synthesize) -> CloudAssembly:
    """What `cdk synth` writes for a new account."""
    return CloudAssembly(synthesize("config/trial.yaml").folder)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """84 small frames and a tone: four segments, of 24, 24, 24 and 12 frames."""
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=84, size=(32, 32))


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> bytes:
    """What `sr run` makes of the clip with the same settings."""
    return sr_run(clip, tmp_path_factory.mktemp("expected"))


def sr_run(source: Path, folder: Path) -> bytes:
    """Runs the command that a person would."""
    output = folder / "out.mp4"
    options = [text for name, value in RUN_SETTINGS.items() for text in (f"--{name}", str(value))]
    program = Path(sys.executable).parent / "sr"
    subprocess.run([program, "run", source, "-o", output, *options], check=True, cwd=folder, capture_output=True)
    return output.read_bytes()


@pytest.fixture(scope="package")
def warm() -> Iterator[WarmFork]:
    launcher = WarmFork(["tests.localcloud.counted"])
    yield launcher
    launcher.close()


@pytest.fixture(scope="package")
def running_cloud(
    assembly: CloudAssembly, warm: WarmFork, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalCloud]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        with LocalCloud(assembly, tmp_path_factory.mktemp("cloud"), launcher=warm, chunk_segments=2) as cloud:
            yield cloud


@pytest.fixture
def cloud(running_cloud: LocalCloud) -> Iterator[LocalCloud]:
    """Without faults, and left without anything that runs."""
    running_cloud.fail_with()
    running_cloud.edge.late.clear()
    running_cloud.edge.denied.clear()
    yield running_cloud
    running_cloud.end_all_jobs()
    assert running_cloud.survivors() == []
    assert running_cloud.edge.late == []


@pytest.fixture
def plain(cloud: LocalCloud, warm: WarmFork) -> Iterator[LocalCloud]:
    """The same, with jobs that start as containers do: a new interpreter each."""
    cloud.launcher = NewInterpreter()
    yield cloud
    cloud.launcher = warm


@pytest.fixture(scope="package")
def make_runs(running_cloud: LocalCloud, clip: Path, expected: bytes) -> Runs:
    return Runs(running_cloud, clip, expected)


@pytest.fixture
def runs(cloud: LocalCloud, make_runs: Runs) -> Runs:
    """Starts the clip's way through the cloud."""
    return make_runs


TOLD_AT_THE_END = pytest.StashKey[list[str]]()
"""Lines for the end of the session's report."""


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TOLD_AT_THE_END] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash[TOLD_AT_THE_END]:
        terminalreporter.write_line(line)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Many processes take part in each of these tests: on a busy machine they are slow, not stuck."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(600))

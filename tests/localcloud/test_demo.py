"""`python -m localcloud`: what `make cloud-demo` runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from localcloud.__main__ import main
from localcloud.assembly import ROOT, CloudAssembly
from sr_core.contract import ExitCode


def demo(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "localcloud", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_demo_shows_what_happens_and_writes_the_output(
    assembly: CloudAssembly, clip: Path, expected: bytes, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    options = ("--preset", "ultrafast", "--chunk-segments", "4", "--assembly", assembly.folder)

    ended = demo(clip, "-o", output, *options, "--fault", "no-capacity:upscale")

    assert ended.returncode == 0, ended.stderr
    assert output.read_bytes() == expected
    for told in (
        "ExtractSpot",
        "chunk 0: UpscaleStandardSpotWhy",
        "upscale 0, attempt 1 on On-Demand machine i-",
        "done",
    ):
        assert told in ended.stderr
    assert "4 jobs, 3 attempts, 1 faults" in " ".join(ended.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("missing.mp4", "-o", "out.mp4"), "missing.mp4 is not a file"),
        (("app.py", "-o", "nowhere/out.mp4"), "nowhere is not a folder"),
        (("app.py", "-o", "out.mp4", "--fault", "lightning:upscale"), "kinds are reclaim"),
    ],
)
def test_a_wrong_option_is_told_in_a_line_before_anything_starts(
    arguments: tuple[str, ...], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "1000")

    assert main(arguments) == ExitCode.INPUT

    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1

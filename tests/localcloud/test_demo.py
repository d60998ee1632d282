"""`python -m localcloud`: what `make cloud-demo` runs."""

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import av
import pytest

from localcloud.__main__ import exit_code, main
from localcloud.assembly import ROOT, CloudAssembly, SynthesisError, synthesize
from localcloud.attempt import EXITED, Outcome
from sr_core.contract import ExitCode


def demo(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "localcloud", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_demo_shows_what_happens_and_writes_the_output(
    assembly: CloudAssembly, clip: Path, expected: bytes, tmp_path: Path
) -> None:
    # Given an output of another container than the source's, and of the cloud's default
    output = tmp_path / "out [1].mkv"
    options = ("--preset", "ultrafast", "--chunk-segments", "4", "--assembly", assembly.folder)

    ended = demo(clip, "-o", output, *options, "--fault", "no-capacity:upscale")

    assert ended.returncode == 0, ended.stderr
    assert video_packets(output) == video_packets(BytesIO(expected))
    with av.open(output) as container:
        assert container.format.name == "matroska,webm"
    for told in (
        "sr run --device cpu --precision fp32 --kernels torch --codec h264 --preset ultrafast",
        "out [1].mkv: ",
        "ExtractSpot",
        "chunk 0: UpscaleCpuSpotWhy",
        "upscale 0, attempt 1 on On-Demand machine i-",
        "done",
        "report.json: extract ",
        " s on c5.2xlarge (on-demand), assemble ",
    ):
        assert told in ended.stderr
    assert "4 jobs, 3 attempts, 1 faults" in " ".join(ended.stderr.split())
    # and nothing of what the interpreter of the states says to itself
    assert "Exception" not in ended.stderr


def video_packets(media: Path | BytesIO) -> list[bytes]:
    with av.open(media, "r") as container:
        return [bytes(packet) for packet in container.demux(container.streams.video[0]) if packet.size]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((0, 64), ExitCode.INPUT),
        ((75, 74, 65, 0), ExitCode.INTEGRITY),
        ((0, 137), ExitCode.HOST_CAPACITY),
        ((0, 1), ExitCode.INTERNAL),
        ((0, 143), ExitCode.INTERNAL),
        ((), ExitCode.INTERNAL),
    ],
)
def test_a_failure_ends_with_the_code_of_the_job_that_failed(codes: tuple[int, ...], expected: ExitCode) -> None:
    # Given attempts that ended so, then those that the end of the execution took with it
    ended = [Outcome(exit_code=code, reason=None, status_reason=EXITED) for code in codes]
    taken = Outcome(exit_code=75, reason=None, status_reason="Terminated by the execution that started it")

    assert exit_code([*ended, taken, None]) == expected


@pytest.mark.parametrize("output", ["in.mp4", "./in.mp4", "other.mp4"])
def test_what_is_there_is_not_replaced(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given a source, and another file
    monkeypatch.chdir(tmp_path)
    for name in ("in.mp4", "other.mp4"):
        Path(name).write_bytes(b"precious")
    is_source = "in.mp4" in output

    # When one of them is named as the output
    code = main(["in.mp4", "-o", output, *(["--overwrite"] if is_source else [])])

    # Then it is refused in one line, the source whatever the options, and nothing has happened
    error = capsys.readouterr().err
    assert code == ExitCode.INPUT
    assert ("is the input itself" if is_source else "exists; add --overwrite") in error
    assert error.count("\n") == 1
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"precious"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("missing.mp4", "-o", "out.mp4"), "missing.mp4 does not exist"),
        (("s3://bucket/film.mp4", "-o", "out.mp4"), "s3://bucket/film.mp4: the local cloud reads and writes files"),
        (
            ("app.py", "-o", "out.webm"),
            "a .webm file is not made with H.264; use .mp4, .m4v, .mov, .mkv, or --codec av1",
        ),
        ((), "VIDEO; see `python -m localcloud --help`"),
        (("app.py", "-o", "out.mp4", "--slots", "0"), "'0' is not a number from 1 on"),
        (("app.py", "-o", "out.mp4", "--chunk-segments", "0"), "'0' is not a number from 1 on"),
        (("app.py", "-o", "out.mp4", "--preset", "warp"), "invalid choice: 'warp'"),
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


def test_without_node_it_says_so_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a machine that has no Node, and no assembly made before
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JSII_NODE", raising=False)

    with pytest.raises(SynthesisError, match="Node is not installed") as refused:
        synthesize(tmp_path / "cdk.out")

    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())

"""The same frames give the same bytes: however they are grouped, wherever they lie, whatever was damaged on the way."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from sr_core.contract import ExitCode, Stage
from sr_core.layout import receipt_key, receipts_prefix
from sr_core.manifest import Manifest
from sr_core.storage import open_store
from sr_core.types import Codec, Receipt
from tests.clips import make_clip

from .commands import Commands
from .job import FAST, OUTPUT, SEGMENT_FRAMES, WORK_FOLDER, Job, Uninterrupted, submit
from .script import Script

UNEVEN = [index * 10 + (index % 3) * 4 for index in range(60)]
"""Presentation times of a variable rate."""
CLIPS: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "closed groups": (".mp4", {"gop": 10}, ()),
    "open groups": (".mp4", {"gop": 10, "open_gop": True}, ()),
    "variable rate": (".mkv", {"times": UNEVEN}, ()),
    "10 bits": (".mp4", {"pixel_format": "yuv420p10le", "open_gop": True}, ()),
    "HEVC to HEVC": (".mkv", {"codec": "libx265", "open_gop": True}, ("--codec", "hevc")),
    "to AV1": (".mp4", {"open_gop": True}, ("--codec", "av1")),
    "to ProRes": (".mov", {"times": UNEVEN}, ("--codec", "prores")),
    "to FFV1": (".mkv", {"pixel_format": "yuv422p"}, ("--codec", "ffv1")),
    "4:4:4 to tiles": (".mov", {"pixel_format": "yuv444p"}, ("--tile", "32")),
    "one group": (".mkv", {"gop": 60, "codec": "mpeg4", "b_frames": 1}, ()),
}


@pytest.mark.parametrize("name", CLIPS)
def test_one_chunk_or_many_give_the_same_bytes(name: str, sr: Commands, tmp_path: Path, network: Path) -> None:
    suffix, traits, options = CLIPS[name]
    clip = make_clip(tmp_path / f"clip{suffix}", frames=60, **traits)
    outputs = []
    for segments in ("1", "100"):
        output = f"{segments}{suffix}"
        arguments = ("run", clip, "-o", output, "--model", network, "--chunk-segments", segments, *options)
        ended = sr.run(*arguments, "--preset", "veryfast")
        assert ended.code == ExitCode.OK, ended.stderr
        chunks = {edge for edge in ended.journal.edges if edge.startswith("create receipts/extract/")}
        assert len(chunks) == (3 if segments == "1" else 1)
        outputs.append((sr.folder / output).read_bytes())

    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("kind", ["local", "s3"])
@pytest.mark.parametrize("segment_codec", ["delivery", "mezzanine"])
def test_stage_by_stage_over_any_store(
    kind: str, segment_codec: str, sr: Commands, job: Job, uninterrupted: Uninterrupted, request: pytest.FixtureRequest
) -> None:
    # Given a job folder with nothing but a request; in S3, source and output are there, too
    environment, uri, source, output = {}, "jobs/ab12", str(job.clip), str(sr.folder / OUTPUT)
    if kind == "s3":
        environment = request.getfixturevalue("s3_environment")
        bucket = request.getfixturevalue("bucket")
        client = request.getfixturevalue("s3_client")
        uri, source, output = (f"s3://{bucket}/{name}" for name in ("jobs/ab12", "films/clip.mp4", f"films/{OUTPUT}"))
        client.upload_file(str(job.clip), bucket, "films/clip.mp4")
    else:
        uri = str(sr.folder / uri)
    submit(job, uri, output=output, source=source, segment_codec=segment_codec)

    # When the stages run one by one
    per_chunk = ["upscale", "encode"] if segment_codec == "mezzanine" else ["upscale"]
    commands: list[tuple[str, ...]] = [("extract", "--chunk-segments", "1")]
    commands += [(stage, "--chunk", chunk) for chunk in "01" for stage in per_chunk]
    for command in [*commands, ("assemble",)]:
        ended = sr.run(*command, "--job", uri, environment=environment)
        assert ended.code == ExitCode.OK, ended.stderr

    # Then the output is what one `sr run` gives
    data = (
        client.get_object(Bucket=bucket, Key=f"films/{OUTPUT}")["Body"].read()
        if kind == "s3"
        else Path(output).read_bytes()
    )
    assert data == uninterrupted.data


def test_a_mezzanine_does_not_touch_the_result(sr: Commands, job: Job, uninterrupted: Uninterrupted) -> None:
    ended = job.run(sr, "--segment-codec", "mezzanine")

    uninterrupted.assert_done(ended, sr.folder)
    assert "put delivery/00001" in ended.journal.edges


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    replace(path, bytes(data))


def truncate(path: Path) -> None:
    replace(path, path.read_bytes()[:-100])


def delete(path: Path) -> None:
    path.unlink()


def replace(path: Path, data: bytes) -> None:
    path.unlink()  # it may be another name of a file that is used elsewhere
    path.write_bytes(data)


@pytest.mark.parametrize(("damage", "segment"), [(flip, 0), (truncate, 1), (delete, 0)])
def test_damaged_segments_are_done_again(
    damage: Callable[[Path], None], segment: int, sr: Commands, job: Job, uninterrupted: Uninterrupted
) -> None:
    # Given a job that was killed when all was done but assembling, and damage to a segment
    assert job.run(sr, script=Script(kill_at=("before", "put_bytes report.json"))).was_killed
    (data,) = sr.folder.glob(f"{WORK_FOLDER}/*/segments/{segment:05d}-*")
    damage(data)

    again = job.run(sr)

    # Then the receipt is set aside and that segment, alone, is upscaled again
    uninterrupted.assert_done(again, sr.folder)
    assert f"put_bytes set-aside/upscale/{segment:05d}.json" in again.journal.edges
    assert again.journal.frames_upscaled == SEGMENT_FRAMES[segment]


@pytest.mark.parametrize("damage", [flip, truncate, delete])
def test_damaged_chunks_are_cut_again(
    damage: Callable[[Path], None], sr: Commands, job: Job, uninterrupted: Uninterrupted
) -> None:
    assert job.run(sr, script=Script(kill_at=("before", "put segments/00000"))).was_killed
    damaged = list(sr.folder.glob(f"{WORK_FOLDER}/*/chunks/*"))
    assert len(damaged) == 2
    for data in damaged:
        damage(data)

    again = job.run(sr)

    uninterrupted.assert_done(again, sr.folder)
    assert {f"put_bytes set-aside/extract/{chunk:05d}.json" for chunk in (0, 1)} <= set(again.journal.edges)


def test_everything_damaged_is_done_again(sr: Commands, job: Job, uninterrupted: Uninterrupted) -> None:
    assert job.run(sr, script=Script(kill_at=("before", "put_bytes report.json"))).was_killed
    damaged = [*sr.folder.glob(f"{WORK_FOLDER}/*/chunks/*"), *sr.folder.glob(f"{WORK_FOLDER}/*/segments/*")]
    assert len(damaged) == 4
    for data in damaged:
        flip(data)

    again = job.run(sr)

    uninterrupted.assert_done(again, sr.folder)
    assert again.journal.frames_upscaled == sum(SEGMENT_FRAMES)


def of_another_plan(receipt: Receipt) -> bytes:
    return receipt.model_copy(update={"plan_digest": "0" * 64}).to_json()


def of_another_segment(receipt: Receipt) -> bytes:
    return receipt.model_copy(update={"index": 1}).to_json()


def cut_short(receipt: Receipt) -> bytes:
    return receipt.to_json()[:-20]


def no_json(_: Receipt) -> bytes:
    return b"\x00\xff not JSON"


STAGES: list[tuple[str, ...]] = [
    ("extract", "--chunk-segments", "1"),
    ("upscale", "--chunk", "0"),
    ("upscale", "--chunk", "1"),
]


@pytest.fixture(scope="module")
def upscaled(tmp_path_factory: pytest.TempPathFactory, fork_server: None, job: Job) -> Path:
    """A folder with a job in which all is done but assembling."""
    sr = Commands(tmp_path_factory.mktemp("upscaled"), tmp_path_factory.mktemp("notes"))
    submit(job, str(sr.folder / "job"), output=str(sr.folder / OUTPUT))
    for command in STAGES:
        assert sr.run(*command, "--job", "job").code == ExitCode.OK
    return sr.folder


@pytest.mark.parametrize("forge", [of_another_plan, of_another_segment, cut_short, no_json])
@pytest.mark.parametrize("stage", [Stage.EXTRACT, Stage.UPSCALE])
def test_receipts_that_do_not_hold_are_set_aside(
    stage: Stage,
    forge: Callable[[Receipt], bytes],
    sr: Commands,
    upscaled: Path,
    uninterrupted: Uninterrupted,
) -> None:
    # Given a receipt that is not what it was, and no output yet
    (upscaled / OUTPUT).unlink(missing_ok=True)
    shutil.copytree(upscaled / "job", sr.folder / "job")
    store = open_store(str(sr.folder / "job"))
    forged = forge(Receipt.from_json(store.get_bytes(receipt_key(stage, 0))))
    store.put_bytes(receipt_key(stage, 0), forged)

    # When the stages run again
    frames = 0
    for command in [*STAGES, ("assemble",)]:
        ended = sr.run(*command, "--job", "job")
        assert ended.code == ExitCode.OK, ended.stderr
        frames += ended.journal.frames_upscaled

    # Then it lies aside, as it was, and what it spoke of was done again
    (aside,) = store.list("set-aside/")
    assert aside.key.startswith(f"set-aside/{stage}/00000-")
    assert store.get_bytes(aside.key) == forged
    assert frames == (SEGMENT_FRAMES[0] if stage == Stage.UPSCALE else 0)
    assert len(Manifest(store).receipts(stage, [0, 1])) == len(list(store.list(receipts_prefix(stage)))) == 2
    assert (upscaled / OUTPUT).read_bytes() == uninterrupted.data


@pytest.mark.parametrize(
    ("codec", "suffix"), [("hevc", ".mp4"), ("av1", ".webm"), ("prores", ".mov"), ("ffv1", ".mkv")]
)
def test_resumed_is_uninterrupted_with_every_codec(codec: str, suffix: str, sr: Commands, job: Job) -> None:
    arguments = ("run", job.clip, "--model", job.network, "--codec", codec, *FAST)
    assert sr.run(*arguments, "-o", f"whole{suffix}").code == ExitCode.OK

    # When a job is killed after its first segment and called again
    script = Script(kill_at=("before", "put segments/00001"))
    assert sr.run(*arguments, "-o", f"resumed{suffix}", script=script).was_killed
    again = sr.run(*arguments, "-o", f"resumed{suffix}")

    # Then only the second is upscaled, and nobody can tell
    assert again.code == ExitCode.OK, again.stderr
    assert again.journal.frames_upscaled == SEGMENT_FRAMES[1]
    assert (sr.folder / f"resumed{suffix}").read_bytes() == (sr.folder / f"whole{suffix}").read_bytes()


@pytest.mark.parametrize("codec", get_args(Codec))
def test_an_encoder_does_not_see_what_was_in_memory_before(codec: str) -> None:
    """x264's fastest code once read memory that nobody wrote: a process of some age gave other bytes."""
    fresh = encoded_digests(codec, count=1)
    aged = encoded_digests(codec, count=4, MALLOC_PERTURB_="170")

    assert set(aged) == set(fresh)


def encoded_digests(codec: str, *, count: int, **environment: str) -> list[str]:
    """sha256 of the same segment as a process of its own encodes it, `count` times, with others between."""
    command = [sys.executable, "-m", "tests.pipeline.encoding", codec, str(count)]
    ended = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    digests = ended.stdout.split()
    assert len(digests) == count
    return digests


def test_a_process_of_its_own_with_a_dirty_heap(sr: Commands, job: Job, uninterrupted: Uninterrupted) -> None:
    """Forks of one server, as the other tests run them, could all be wrong in the same way."""
    command = "from sr_core.cli.main import main; raise SystemExit(main())"
    environment = {**os.environ, "MALLOC_PERTURB_": "165", "PYTHONPATH": os.pathsep.join(sys.path)}

    subprocess.run([sys.executable, "-c", command, *job.arguments()], cwd=sr.folder, env=environment, check=True)

    assert (sr.folder / OUTPUT).read_bytes() == uninterrupted.data

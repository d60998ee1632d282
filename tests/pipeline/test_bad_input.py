"""What cannot be done is said in one line that names the thing and the remedy; nothing is left behind."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sr_core.contract import ExitCode
from tests.clips import make_clip, make_sound

from .commands import Commands, Ended
from .job import OUTPUT, Job, Uninterrupted, names
from .network import Tensors, make_network, tensors
from .script import Script


@pytest.fixture(autouse=True)
def things(tmp_path: Path) -> Path:
    """Where bad things are made: beside the folder in which the commands run, which stays empty."""
    folder = tmp_path / "things"
    folder.mkdir()
    return folder


def assert_refused(ended: Ended, *named: str, code: ExitCode = ExitCode.INPUT) -> None:
    """One line: what is wrong; what to do."""
    assert ended.code == code, ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert ended.stderr.startswith("sr: ")
    problem, _, remedy = ended.stderr.rpartition(";")
    assert all(name in problem for name in named), problem
    assert len(remedy) > 10
    assert ended.stdout == ""


def make_script(path: Path) -> None:
    """ffmpeg's demuxers would read other files by it: here a clip, elsewhere a secret."""
    make_clip(path.parent / "clip.mp4")
    path.write_text("ffconcat version 1.0\nfile clip.mp4\n")


Make = Callable[[Path], object]
SOURCES: dict[str, tuple[str, Make]] = {
    "missing": ("there.mp4", lambda path: None),
    "in a missing folder": ("no/where.mp4", lambda path: None),
    "a folder": ("folder.mp4", Path.mkdir),
    "empty": ("empty.mp4", Path.touch),
    "text": ("letter.mp4", lambda path: path.write_text("Dear Sir or Madam,\n" * 100)),
    "noise": ("noise.mkv", lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000))),
    "a script that names others": ("list.mp4", make_script),
    "sound alone": ("song.m4a", make_sound),
    "cut off before its index": ("cut.mp4", lambda path: path.write_bytes(make_clip(path).read_bytes()[:9000])),
    "a pipe": ("pipe.mp4", os.mkfifo),
    "a link to nowhere": ("link.mp4", lambda path: path.symlink_to("nowhere")),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_a_source_that_is_no_video(kind: str, things: Path, sr: Commands, network: Path) -> None:
    name, make = SOURCES[kind]
    make(things / name)

    ended = sr.run("run", things / name, "-o", OUTPUT, "--model", network)

    assert_refused(ended, name)
    assert names(sr.folder) == []


def test_a_source_that_may_not_be_read(things: Path, sr: Commands, clip: Path, network: Path) -> None:
    source = Path(shutil.copy(clip, things / "secret.mp4"))
    source.chmod(0)

    ended = sr.run("run", source, "-o", OUTPUT, "--model", network, script=Script(without_privileges=True))

    assert_refused(ended, "secret.mp4", "permission denied")
    assert names(sr.folder) == []


class RunsCode:
    """A pickle of it would make a file when it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.mkdir, (str(self._path),)


def save(path: Path, changes: Callable[[Tensors], object]) -> None:
    state = tensors()
    changes(state)
    save_file(state, path)


WEIGHTS: dict[str, tuple[str, Make]] = {
    "missing": ("none.safetensors", lambda path: None),
    "empty": ("empty.pth", Path.touch),
    "short": ("short.pth", lambda path: path.write_bytes(b"abc")),
    "noise": ("noise.pth", lambda path: path.write_bytes(np.random.default_rng(1).bytes(5000))),
    "a pickle that runs code": ("evil.pth", lambda path: path.write_bytes(pickle.dumps(RunsCode(path.parent / "ran")))),
    "cut off": ("cut.safetensors", lambda path: path.write_bytes(make_network(path).read_bytes()[:-9])),
    "cut off in its header": ("cut.safetensors", lambda path: path.write_bytes(make_network(path).read_bytes()[:60])),
    "of another architecture": ("other.safetensors", lambda path: save_file({"net.0.weight": np.zeros((4, 3))}, path)),
    "with larger kernels": ("kernels.safetensors", lambda path: make_network(path, kernel=5)),
    "for grey pictures": ("grey.safetensors", lambda path: make_network(path, channels=1)),
    "of an absurd scale": ("scale.safetensors", lambda path: make_network(path, scale=9)),
    "with a tensor too few": ("few.safetensors", lambda path: save(path, lambda state: state.pop("body.3.weight"))),
    "without a bias": ("bias.safetensors", lambda path: save(path, lambda state: state.pop("body.2.bias"))),
    "with a tensor too many": (
        "many.safetensors",
        lambda path: save(path, lambda state: state.update({"body.0.extra": np.zeros(3, np.float32)})),
    ),
    "with a tensor too short": (
        "uneven.safetensors",
        lambda path: save(path, lambda state: state.update({"body.0.bias": np.zeros(2, np.float32)})),
    ),
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_that_are_no_network(kind: str, things: Path, sr: Commands, clip: Path) -> None:
    name, make = WEIGHTS[kind]
    make(things / name)
    before = sorted(things.iterdir())

    ended = sr.run("run", clip, "-o", OUTPUT, "--model", things / name)

    assert_refused(ended, name)
    assert names(sr.folder) == []
    assert sorted(things.iterdir()) == before


def test_a_pickle_would_have_run_its_code(things: Path) -> None:
    """Else the refusal above would prove nothing."""
    pickle.loads(pickle.dumps(RunsCode(things / "ran")))

    assert (things / "ran").is_dir()


def test_weights_that_give_no_numbers(things: Path, sr: Commands, clip: Path) -> None:
    path = things / "nan.safetensors"
    save_file({name: values * np.nan for name, values in tensors().items()}, path)

    ended = sr.run("run", clip, "-o", OUTPUT, "--model", path)

    assert_refused(ended, "not finite", code=ExitCode.INTEGRITY)
    assert not (sr.folder / OUTPUT).exists()


OPTIONS = {
    "a scale that is not the network's": (("--scale", "3"), "tiny.safetensors is a ×2 network, not ×3"),
    "no such network": (("--model", "compact-x99"), "unknown model 'compact-x99'"),
    "no such preset": (("--preset", "warp"), "--preset"),
    "no such codec": (("--codec", "divx"), "--codec"),
    "a CRF out of range": (("--crf", "52"), "--crf"),
    "a CRF for a codec without": (("--codec", "ffv1", "--crf", "18", "-o", "out.mkv"), "crf: ffv1 has none"),
    "a profile for another codec": (("--prores-profile", "lt"), "--prores-profile: h264 has none"),
    "a codec that the container does not take": (("--codec", "ffv1"), "a .mp4 file is not made with FFV1"),
    "a CRF that is no number": (("--crf", "good"), "--crf"),
    "a tile too small": (("--tile", "4"), "--tile"),
    "a chunk of nothing": (("--chunk-segments", "0"), "--chunk-segments"),
    "no such option": (("--faster",), "--faster"),
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_options_that_are_wrong(kind: str, sr: Commands, job: Job) -> None:
    options, named = OPTIONS[kind]

    ended = job.run(sr, *options)

    assert_refused(ended, named)
    assert names(sr.folder) == []


def test_an_output_that_exists(sr: Commands, job: Job, uninterrupted: Uninterrupted) -> None:
    (sr.folder / OUTPUT).write_text("precious")

    ended = job.run(sr)

    assert_refused(ended, OUTPUT, "exists")
    assert "--overwrite" in ended.stderr
    assert names(sr.folder) == [OUTPUT]
    assert (sr.folder / OUTPUT).read_text() == "precious"
    assert job.run(sr, "--overwrite").code == ExitCode.OK
    assert (sr.folder / OUTPUT).read_bytes() == uninterrupted.data


def test_an_output_that_exists_beside_unfinished_work(sr: Commands, job: Job) -> None:
    """Another job's work folder is there; this job leaves no trace in it."""
    (sr.folder / OUTPUT).write_text("precious")
    (sr.folder / ".sr-work" / "another").mkdir(parents=True)

    assert_refused(job.run(sr), OUTPUT, "exists")

    assert names(sr.folder / ".sr-work") == ["another"]


@pytest.mark.parametrize("way", ["by its name", "by a link", "by its address"])
def test_an_output_that_is_the_input(way: str, sr: Commands, clip: Path, network: Path) -> None:
    """--overwrite, which another message suggests, would destroy the source."""
    source = Path(shutil.copy(clip, sr.folder / "clip.mp4"))
    (sr.folder / "link.mp4").symlink_to(source)
    outputs = {"by its name": str(source), "by a link": f"{sr.folder}/link.mp4", "by its address": source.as_uri()}
    output = outputs[way]

    ended = sr.run("run", source, "-o", output, "--overwrite", "--model", network)

    assert_refused(ended, "is the input itself")
    assert source.read_bytes() == clip.read_bytes()


PLACES = {
    "of a container that is not known": ("out.avi", "out.avi"),
    "without a suffix": ("out", "out"),
    "in a missing folder": ("no/out.mp4", "no is not a folder"),
    "below a file": ("file/out.mp4", "file is not a folder"),
    "that is a folder": ("folder.mp4", "folder.mp4"),
    "with another scheme": ("ftp://host/out.mp4", "ftp://"),
}


@pytest.mark.parametrize("kind", PLACES)
def test_an_output_that_cannot_be(kind: str, sr: Commands, clip: Path, network: Path) -> None:
    place, named = PLACES[kind]
    (sr.folder / "file").touch()
    (sr.folder / "folder.mp4").mkdir()

    ended = sr.run("run", clip, "-o", place, "--model", network)

    assert_refused(ended, named)
    assert names(sr.folder) == ["file", "folder.mp4"]
    assert names(sr.folder / "folder.mp4") == []


@pytest.mark.parametrize("what", ["output", "work"])
def test_a_folder_that_may_not_be_written_to(what: str, sr: Commands, clip: Path, network: Path) -> None:
    folder = sr.folder / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    where = ("-o", "locked/out.mp4") if what == "output" else ("-o", OUTPUT, "--work-dir", "locked")

    ended = sr.run("run", clip, *where, "--model", network, script=Script(without_privileges=True))

    assert_refused(ended, "locked", "permission denied")
    assert what == "output" or "--work-dir" in ended.stderr
    assert names(sr.folder) == ["locked"]
    assert names(folder) == []


def test_a_work_folder_that_is_a_file(sr: Commands, job: Job) -> None:
    (sr.folder / "file").touch()

    assert_refused(job.run(sr, "--work-dir", "file"), "file")

    assert names(sr.folder) == ["file"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "none.mp4", "-o", OUTPUT),
        ("run", "none.mp4", "-o", OUTPUT, "--crf", "good"),
        ("probe", "none.mp4"),
        ("upscale", "--job", "none", "--chunk", "0"),
    ],
)
def test_json_says_the_same(arguments: tuple[str, ...], sr: Commands) -> None:
    plain = sr.run(*arguments)
    ended = sr.run(*arguments, "--json")

    error = json.loads(ended.stdout)["error"]
    assert plain.stderr == ended.stderr == f"sr: {error['message']}\n"
    assert plain.code == ended.code == error["exit_code"] == ExitCode.INPUT
    assert error["kind"] == "InputError"
    assert error["retry_helps"] is False

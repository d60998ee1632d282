"""Any name that a file system takes is a name: never an option, an address, a pattern or a line of its own."""

import shutil
from pathlib import Path

import av
import pytest

from sr_core.contract import ExitCode
from tests.clips import make_clip

from .commands import Commands
from .job import FAST, OUTPUT, names

NAMES = [
    "with a space.mp4",
    "quo'te\"s.mp4",
    "new\nline.mp4",
    "ünï-日本-🎬s.mp4",
    "latin-\udce9-1.mp4",
    "-dash.mp4",
    "--json.mp4",
    "a:bc.mp4",
    "pipe:01.mp4",
    "file:xy.mp4",
    "%03d 100%s.mp4",
    "semi;colon&|$(x)`.mp4",
    "[x]*?{}.mp4",
    "back\\slash.mp4",
    "x" * 251 + ".mp4",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_name_is_a_name(name: str, sr: Commands, clip: Path, network: Path) -> None:
    """Of the input, the output and the network, and of the folder that their relative paths begin with."""
    folder, other = sr.folder / name, name[:-5] + ".mp4"
    folder.mkdir()
    shutil.copy(clip, folder / name)
    shutil.copy(network, folder / "network")

    ended = sr.run("run", *FAST, f"--model={name}/network", f"--output={name}/{other}", "--", f"{name}/{name}")

    assert ended.code == ExitCode.OK, ended.stderr
    assert names(sr.folder) == [name]
    assert names(folder) == sorted([name, other, "network"])
    assert frame_count(folder / other) == 36


def test_sound_is_converted_whatever_the_name(sr: Commands, network: Path) -> None:
    """The converter is another program, which reads some names as addresses."""
    clip = make_clip(sr.folder / "a:b 'x' %d\n.mkv", audio="wavpack")

    ended = sr.run("run", clip.name, "-o", OUTPUT, "--model", network)

    assert ended.code == ExitCode.OK, ended.stderr
    assert "is converted from wavpack to aac" in ended.stderr


def frame_count(path: Path) -> int:
    with path.open("rb") as file, av.open(file, "r") as container:
        return len(list(container.decode(video=0)))

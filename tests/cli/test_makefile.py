"""What `make` passes on, and what it says before it installs anything."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHOW_ARGUMENTS = '#!/bin/sh\nfor argument; do printf "%s\\n" "$argument"; done\n'
DEBIANS_PYTHON = """#!/bin/sh
case "$*" in
  "-m venv "*)
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python"
    test -e ensurepip && touch "$3/pip" || exit 1;;
  "-m pip --version") test -e .venv/pip;;
  "-m pip "*) test -e .venv/pip && shift 2 && echo "$*" >.venv/pip-was-asked-for;;
esac
"""
"""Its environments have pip only where the file `ensurepip` is."""
KERNELS = "sr_core/inference/kernels/winograd.c"
"""An environment is made anew when they change."""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that is set up, but that its programs show their arguments instead of doing anything."""
    folder = tmp_path / "checkout"
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / "cdk.out/localcloud").mkdir(parents=True)
    (folder / KERNELS).parent.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "setup.py", KERNELS, "constraints.txt", "app.py", "cdk.json"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "config", folder / "config")
    for name in ("sr", "python", "uv"):
        program(folder / ".venv/bin" / name, SHOW_ARGUMENTS)
    for name in (".venv/.run", ".venv/.dev", "cdk.out/localcloud/manifest.json"):
        (folder / name).touch()
    return folder


def program(path: Path, script: str) -> Path:
    path.write_text(script)
    path.chmod(0o755)
    return path


def make(checkout: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", *arguments],
        cwd=checkout,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


AWKWARD = ["my.holiday film.mp4", 'it\'s "mine".mkv', "50% $(off) $HOME #1.mov", "tab\tand;semicolon&.avi"]


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("target", ["run", "cloud-demo"])
def test_a_files_name_arrives_as_it_is(checkout: Path, target: str, name: str) -> None:
    # Given a video of an awkward name
    (checkout / name).touch()

    # When it is named on make's command line, or in the environment, with and without an output
    called = make(checkout, target, f"VIDEO={name}", "ARGS=--preset 'ultra fast'")
    inherited = make(checkout, target, VIDEO=name, OUT=f"to {name}")

    # Then the program gets that very name, and no output that was not named
    assert name in called.stdout.splitlines(), called.stderr
    assert "ultra fast" in called.stdout.splitlines()
    assert "-o" not in called.stdout.splitlines()
    given = inherited.stdout.splitlines()
    assert name in given, inherited.stderr
    assert given[given.index("-o") + 1] == f"to {name}"


@pytest.mark.parametrize("target", ["run", "cloud-demo"])
@pytest.mark.parametrize(
    ("arguments", "told"),
    [((), "say which video: make {target} VIDEO=in.mp4"), (("VIDEO=ty po.mp4",), "ty po.mp4 does not exist")],
)
def test_a_video_that_lacks_is_told_before_anything_is_installed(
    checkout: Path, target: str, arguments: tuple[str, ...], told: str
) -> None:
    # Given a checkout that nothing is installed in
    shutil.rmtree(checkout / ".venv")

    ended = make(checkout, target, *arguments)

    assert ended.returncode != 0
    assert told.format(target=target) in ended.stderr
    assert not (checkout / ".venv").exists()


def test_an_address_is_no_file_to_look_for(checkout: Path) -> None:
    assert "s3://bucket/in.mp4" in make(checkout, "run", "VIDEO=s3://bucket/in.mp4", "OUT=out.mp4").stdout.splitlines()


def test_a_python_that_is_too_old_is_told(checkout: Path) -> None:
    # Given a Python that says of itself that it is too old, and nothing installed
    shutil.rmtree(checkout / ".venv")
    old = program(checkout / "python3.9", "#!/bin/sh\nexit 1\n")

    ended = make(checkout, ".venv/bin/uv", f"PYTHON={old}")

    assert "Python 3.11 or newer is needed" in ended.stderr
    assert not (checkout / ".venv").exists()


def test_set_up_goes_on_once_what_it_lacked_is_there(checkout: Path) -> None:
    # Given a Python without the module that puts pip into an environment, as Debian's: it fails half way
    shutil.rmtree(checkout / ".venv")
    python = program(checkout / "python3", DEBIANS_PYTHON)
    for _ in range(2):
        ended = make(checkout, ".venv/bin/uv", f"PYTHON={python}")
        assert "apt install python3-venv" in ended.stderr
    assert (checkout / ".venv/bin/python").exists()

    # When that has been installed
    (checkout / "ensurepip").touch()
    ended = make(checkout, ".venv/bin/uv", f"PYTHON={python}")

    # Then it goes on
    assert ended.returncode == 0, ended.stderr
    assert (checkout / ".venv/pip-was-asked-for").read_text().startswith("install --quiet")

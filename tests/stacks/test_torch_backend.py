"""Which build of torch images that run networks get: the Dockerfile's own command, run with a stand-in for uv."""

import re
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT

pytestmark = pytest.mark.parametrize("image", ["upscale", "serve"])

STAND_IN_FOR_UV = """#!/bin/sh
printf '%s\\n' "$*" >> "$0.calls"
printf '%s' "${SSL_CERT_FILE-}" > "$0.certificates"
test "$2" = install || exit 0
packages=$(dirname "$0")/../../sr/lib/python3.11/site-packages
mkdir -p "$packages/sr_core/inference" "$packages/torch/lib" "$packages/botocore/data/s3" "$packages/botocore/data/ec2"
touch "$packages/sr_core/inference/winograd_avx2.so" "$packages/torch/lib/libtorch_cpu.so"
if test -e "$0.finds-cuda"; then touch "$packages/torch/lib/libtorch_cuda.so"; fi
"""
"""Tells what it is asked for, and leaves what a wheel of torch, of this package and of botocore would."""


@pytest.fixture
def uv(tmp_path: Path) -> Path:
    """Where the stand-in lies; beside it, once it was called, `uv.calls` and `uv.certificates`."""
    program = tmp_path / "uv" / "bin" / "uv"
    program.parent.mkdir(parents=True)
    program.write_text(STAND_IN_FOR_UV)
    program.chmod(0o755)
    return program


def install(image: str, uv: Path, **arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs what an image's Dockerfile installs with, given build arguments, in a folder of the test."""
    folder = uv.parents[2]
    text = (ROOT / "containers" / image / "Dockerfile").read_text()
    (command,) = [each for each in re.findall(r"^RUN ((?:.*\\\n)*.*)$", text, flags=re.MULTILINE) if "uv pip" in each]
    command = command.replace("/usr/lib/sr", str(folder / "sr")).replace("/opt/uv", str(folder / "uv"))
    environment = {"PATH": "/usr/bin:/bin", "TORCH_BACKEND": "", **arguments}
    return subprocess.run(["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "asked_for", "not_asked_for"),
    [
        ({}, [], ["--torch-backend", "--find-links", "--default-index"]),
        ({"TORCH_BACKEND": "cpu"}, ["--torch-backend=cpu"], ["--find-links"]),
        # given wheels at hand, torch's own index need not be in reach
        ({"TORCH_BACKEND": "cpu", "PIP_FIND_LINKS": "/wheels"}, ["--find-links /wheels"], ["--torch-backend"]),
        ({"PIP_INDEX_URL": "https://mirror.example/simple"}, ["--default-index https://mirror.example/simple"], []),
    ],
)
def test_uv_is_asked_for_the_build_that_the_argument_names(
    image: str, uv: Path, arguments: dict[str, str], asked_for: list[str], not_asked_for: list[str]
) -> None:
    # when
    ended = install(image, uv, **arguments)
    # then
    assert ended.returncode == 0, ended.stderr
    installing, removing = uv.with_name("uv.calls").read_text().splitlines()
    for words in asked_for:
        assert words in installing
    for words in not_asked_for:
        assert words not in installing
    # as pip, and as make does it; bytes of Python that nobody compiled would be compiled at every start
    assert "--constraints constraints.txt --build-constraints constraints.txt" in installing
    assert "--compile-bytecode" in installing
    assert removing.endswith("setuptools")
    services = {path.name for path in (uv.parents[2] / "sr/lib/python3.11/site-packages/botocore/data").iterdir()}
    assert services == {"s3"}


def test_uv_trusts_whom_pip_is_told_to_trust(image: str, uv: Path) -> None:
    # given a proxy's own authority
    assert install(image, uv, PIP_CERT="/run/ca.crt").returncode == 0
    assert uv.with_name("uv.certificates").read_text() == "/run/ca.crt"


def test_cuda_gets_into_no_image_for_cpus(image: str, uv: Path) -> None:
    # given wheels at hand, with torch's CUDA build among them
    uv.with_name("uv.finds-cuda").touch()
    # when
    for_gpus = install(image, uv, PIP_FIND_LINKS="/wheels")
    for_cpus = install(image, uv, PIP_FIND_LINKS="/wheels", TORCH_BACKEND="cpu")
    # then
    assert for_gpus.returncode == 0, for_gpus.stderr
    assert for_cpus.returncode == 1
    assert for_cpus.stderr.splitlines()[-1] == (
        "PIP_FIND_LINKS has no CPU build of torch; put one there, or build without PIP_FIND_LINKS"
    )

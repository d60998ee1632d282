"""`sr doctor`: what this machine has, and what it lacks for which stage."""

import argparse
import os
import platform
import shutil
import sys
import tempfile
from importlib import metadata, util

from sr_core import __version__
from sr_core.cli.output import show, show_json
from sr_core.contract import ENV_SCRATCH
from sr_core.cores import core_count
from sr_core.video import builds
from sr_core.video.confinement import has_landlock

_ENCODERS = ("libx264", "libx265", "libsvtav1", "prores_ks", "ffv1", "h264_nvenc", "hevc_nvenc")
_PACKAGES = ("av", "boto3", "ffmpeg-python", "numpy", "pydantic", "torch", "safetensors")
_NO_FFMPEG = "missing: streams that a container cannot hold are left out instead of converted"


def run(options: argparse.Namespace) -> None:
    findings = {**_machine(), **_software()}
    if options.json:
        show_json(findings)
        return
    width = max(map(len, findings))
    for name, value in findings.items():
        show(f"{name:<{width}}  {value}")


def _machine() -> dict[str, str]:
    scratch = os.environ.get(ENV_SCRATCH) or tempfile.gettempdir()
    free = shutil.disk_usage(scratch).free / 1e9 if os.path.isdir(scratch) else 0.0  # noqa: PTH112
    return {
        "sr": __version__,
        "python": sys.version.split()[0],
        "machine": f"{platform.machine()}, {core_count()} cores",
        "scratch": f"{scratch}, {free:.0f} GB free",
        "landlock": "readers of media open their own file only" if has_landlock() else "not in this kernel",
        "aws credentials": "in the environment" if "AWS_ACCESS_KEY_ID" in os.environ else "none in the environment",
    }


def _software() -> dict[str, str]:
    found = {name: _version(name) for name in _PACKAGES}
    found["encoders"] = ", ".join(builds.available(_ENCODERS))
    found["ffmpeg"] = builds.ffmpeg_version() or _NO_FFMPEG
    if util.find_spec("torch") is None:
        found["device"] = "none: torch is missing, so `sr upscale` and `sr run` cannot run here; the other stages can"
        return found
    from sr_core.inference import choose_device, device_name, has_own_kernels, settle, why_none
    from sr_core.models.catalogue import describe_shipped, shipped
    from sr_core.types import Settings

    device = choose_device(Settings())
    chosen = settle(Settings(), describe_shipped(next(iter(shipped()))))
    found["device"] = f"{device} ({device_name(device)}), precision {chosen.precision}, kernels {chosen.kernels}"
    if device == "cpu" and not has_own_kernels():
        found["kernels"] = f"{why_none()}; without them networks are slower"
    return found


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"

"""Small networks of several architectures, saved as their trainers would."""

import functools
import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sr_core.errors import InputError
from sr_core.models import zoo


@functools.cache
def why_not(package: str) -> str | None:
    """Why a package cannot be used here; None if it can."""
    try:
        zoo.stand_in_for_torchvision()
        with zoo.quietly():
            importlib.import_module(package)
    except (ImportError, InputError) as error:
        return str(error)
    return None


def need(package: str) -> None:
    """Skips the test that calls it where the package is not installed."""
    reason = why_not(package)
    if reason is not None:
        pytest.skip(f"needs {package}: {reason}")


def basicsr_class(module: str, name: str) -> Any:
    """A class of BasicSR's own code."""
    need("basicsr")
    with zoo.quietly():
        return getattr(importlib.import_module(f"basicsr.archs.{module}"), name)


def rrdb(**sizes: int) -> nn.Module:
    """BasicSR's RRDBNet with random weights; small, but for the 32 channels that spandrel takes for granted."""
    torch.manual_seed(1)
    options = {"num_feat": 8, "num_block": 1, "num_grow_ch": 32, "scale": 4} | sizes
    network: nn.Module = basicsr_class("rrdbnet_arch", "RRDBNet")(3, 3, **options).eval()
    return network


def span(*, scale: int = 2) -> nn.Module:
    """spandrel's SPAN: neither compact nor RRDB, with attention and re-parametrised convolutions."""
    need("spandrel")
    torch.manual_seed(1)
    made = importlib.import_module("spandrel.architectures.SPAN").SPAN(
        num_in_ch=3, num_out_ch=3, feature_channels=16, upscale=scale
    )
    network: nn.Module = made.eval()
    return network


def save_pth(network: nn.Module, path: Path) -> Path:
    torch.save({"params_ema": network.state_dict()}, path)
    return path


def options_file(folder: Path, network: nn.Module, **network_g: object) -> Path:
    """A BasicSR option file beside the weights that it names."""
    save_pth(network, folder / "net_g_latest.pth")
    lines = [f"  {key}: {value}" for key, value in network_g.items()]
    text = "name: mine\nscale: 4\nnetwork_g:\n" + "\n".join(lines)
    text += "\npath:\n  pretrain_network_g: net_g_latest.pth\n  param_key_g: params_ema\n"
    path = folder / "train_mine.yml"
    path.write_text(text)
    return path

"""The tensors in a weights file: safetensors, or a PyTorch checkpoint, read without running code from it.

It does not know which network they belong to.
"""

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as from_bytes
from torch import Tensor

from sr_core.errors import InputError
from sr_core.models import catalogue

_NESTED = ("params_ema", "params-ema", "params", "state_dict", "model_state_dict", "model", "net")
"""Keys under which trainers put the tensors, best first (EMA is what is meant for inference)."""
_WRAPPERS = ("module.", "netG.")
"""What DataParallel and some trainers put before every name."""


def read_state(path: Path, *, key: str | None = None) -> dict[str, Tensor]:
    """Tensors by name, as they were saved, on the CPU.

    `key`: under which a checkpoint holds them; None for the first of the usual ones that it has.

    Raises InputError when the file is not usable, and when reading it would run code.
    """
    if catalogue.is_safetensors(path):
        catalogue.safetensors_shapes(path)
        try:
            return from_bytes(path.read_bytes())  # not by its path, which need not be UTF-8
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            raise InputError(f"{path} is not a usable safetensors file ({error}); get it again") from error
    content = _unwrapped(_read_checkpoint(path), path, key)
    for prefix in _WRAPPERS:
        if all(name.startswith(prefix) for name in content):
            content = {name.removeprefix(prefix): tensor for name, tensor in content.items()}
    return content


def read_metadata(path: Path) -> dict[str, str]:
    """What a safetensors file says beside its tensors; nothing for any other file."""
    if not catalogue.is_safetensors(path):
        return {}
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}


def _read_checkpoint(path: Path) -> Any:
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")  # remarks on how the file was written; what matters is an error
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} is not a checkpoint of plain tensors; it is damaged, or it would run code (refused)"
        ) from error
    except (RuntimeError, EOFError, ValueError, OSError, LookupError) as error:
        raise InputError(f"{path} is damaged or not a checkpoint ({type(error).__name__}); get it again") from error


def _unwrapped(content: Any, path: Path, key: str | None) -> dict[str, Tensor]:
    if key is not None and not (isinstance(content, dict) and isinstance(content.get(key), dict)):
        raise InputError(f"{path} holds nothing under {key}; set path.param_key_g to a key that it has")
    for nested in (key,) if key is not None else _NESTED:
        if isinstance(content, dict) and isinstance(content.get(nested), dict):
            content = content[nested]
            break
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path} holds no state dict of tensors")
    if not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"{path} holds no state dict of tensors")
    return content

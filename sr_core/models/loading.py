"""Weights from files: safetensors, or PyTorch checkpoints read without running code from them.

Only the compact architecture is known here. A file is described before it is loaded, so that a wrong one fails before
any frame is touched.
"""

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from torch import Tensor, nn

from sr_core.errors import InputError, IntegrityError
from sr_core.models import catalogue
from sr_core.models.compact import from_state, read_tensors
from sr_core.types import ModelSpec

_NESTED = ("params_ema", "params", "state_dict")
"""Keys under which trainers put the tensors, best first (EMA is what is meant for inference)."""


def load(spec: ModelSpec, path: Path | None = None) -> nn.Module:
    """The network that `spec` describes, fp32 on the CPU.

    `path` is its weights file; None for a network that ships with the package.

    Raises:
        InputError: the file is not usable.
        IntegrityError: the file is not the one that the spec was made from.
    """
    file = path if path is not None else catalogue.shipped_file(spec.name)
    if catalogue.file_digest(file) != spec.sha256:
        raise IntegrityError(
            f"the weights of {spec.name} are not those that the job was planned with; "
            "install the same version, or start anew"
        )
    return from_state(read_tensors(_read_state(file)))


def checkpoint_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes by tensor name. Raises InputError when the file is not usable."""
    return {name: tuple(tensor.shape) for name, tensor in _read_state(path).items()}


def _read_state(path: Path) -> dict[str, Tensor]:
    if catalogue.is_safetensors(path):
        catalogue.safetensors_shapes(path)
        try:
            return from_bytes(path.read_bytes())  # not by its path, which need not be UTF-8
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            raise InputError(f"{path} is not a usable safetensors file ({error}); get it again") from error
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")  # remarks on how the file was written; what matters is an error
            content: Any = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} is not a checkpoint of plain tensors; it is damaged, or it would run code (refused)"
        ) from error
    except (RuntimeError, EOFError, ValueError, OSError, LookupError) as error:
        raise InputError(f"{path} is damaged or not a checkpoint ({type(error).__name__}); get it again") from error
    for key in _NESTED:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"{path} holds no state dict of tensors")
    return content

"""Checkpoints of any published architecture, recognised by spandrel: an extra, imported only when one is opened.

What a network needs (scale, sizes, precision) is asked of spandrel's descriptor, never guessed from a name.
"""

import importlib
import re
from dataclasses import dataclass

from torch import Tensor, nn

from sr_core.errors import InputError
from sr_core.models.measure import Reduced
from sr_core.models.zoo import HOW_TO_INSTALL, quietly, stand_in_for_torchvision


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """A network with its weights, and what is known of it before it runs."""

    network: nn.Module
    """fp32 on the CPU, in evaluation mode."""
    architecture: str
    scale: int
    multiple_px: int
    """Both sides of a picture must be multiples of it."""
    minimum_px: int
    precisions: tuple[Reduced, ...]


def recognise(state: dict[str, Tensor], *, name: str) -> Recognised:
    """Finds out what network the tensors belong to, builds it and loads them.

    Raises InputError: spandrel is not installed, knows no such network, or the tensors do not fit it; and where the
    network is none that upscales RGB pictures.
    """
    stand_in_for_torchvision()
    with quietly():
        try:
            spandrel = importlib.import_module("spandrel")
        except ImportError as error:
            raise InputError(f"{name} is of another architecture than compact; {HOW_TO_INSTALL}") from error
        try:
            found = spandrel.ModelLoader(device="cpu").load_from_state_dict(spandrel.canonicalize_state_dict(state))
        except spandrel.UnsupportedModelError as error:
            raise InputError(
                f"{name}: these tensors ({', '.join(list(state)[:3])} …) are of no architecture that is known here; "
                "if BasicSR has it, give its option file: --model basicsr:OPTIONS.yml"
            ) from error
        except (RuntimeError, KeyError, ValueError, IndexError, AssertionError, AttributeError, TypeError) as error:
            raise InputError(f"{name}: {_what_does_not_fit(error)}; get the file again") from error
    needs = found.size_requirements
    if not isinstance(found, spandrel.ImageModelDescriptor) or (found.input_channels, found.output_channels) != (3, 3):
        raise InputError(
            f"{name}: a {found.architecture.name} network for {found.purpose} does not upscale RGB pictures"
        )
    if needs.square:
        raise InputError(f"{name}: this {found.architecture.name} network takes square pictures only; choose another")
    reduced: tuple[tuple[Reduced, bool], ...] = (("bf16", found.supports_bfloat16), ("fp16", found.supports_half))
    return Recognised(
        network=found.model.eval(),
        architecture=found.architecture.name,
        scale=found.scale,
        multiple_px=needs.multiple_of,
        minimum_px=needs.minimum,
        precisions=tuple(precision for precision, is_supported in reduced if is_supported),
    )


def _what_does_not_fit(error: Exception) -> str:
    """One line out of what building or loading a network raised; a state dict's error names keys by the hundred."""
    text = str(error)
    for phrase, fault in (("Missing key(s)", "missing"), ("Unexpected key(s)", "in excess")):
        listed = re.search(rf"{re.escape(phrase)} in state_dict: (.*)", text)
        if listed:
            keys = re.findall(r'"([^"]+)"', listed[1])
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            return f"the weights do not fit the network ({', '.join(keys[:3])}{more} {fault})"
    if isinstance(error, KeyError):
        return f"the weights are incomplete ({text.strip(chr(39))} missing)"
    sizes = re.search(r"size mismatch for (\S+):", text)
    if sizes:
        return f"the weights do not fit the network ({sizes[1]} of another size)"
    return f"the weights do not make a network ({type(error).__name__}: {text.strip().splitlines()[0] if text else ''})"

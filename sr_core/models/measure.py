"""What can be found out of a network by running it: scale, size needs, receptive radius, cost, safe precisions.

So nothing has to be known of its architecture. It does not know where a network comes from.
"""

import copy
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from sr_core.errors import InputError

OVERLAP_PX = 32
"""Stands for the receptive radius of a network that sees further than can be measured, or the whole picture: tiles
overlap by so much on each side and are blended. What published tools use is 10 (Real-ESRGAN) to 32."""

_SIDE_PX = 64
_RADIUS_SIDES_PX = (33, 65, 129)
_RADIUS_BUDGET_MACS = 60e9
_MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
_SAFE_DB = 40.0
"""Of a reduced precision against fp32, on noise: what 8 bits hide has some 10 dB more."""

Reduced = Literal["bf16", "fp16"]
_DTYPES: dict[Reduced, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Fitted(nn.Module):
    """A network that takes any size: pads to what it needs, mirrored, at the right and the bottom, and crops after.

    Maps (N, 3, H, W) to (N, 3, H·scale, W·scale).
    """

    def __init__(self, network: nn.Module, *, scale: int, multiple_px: int, minimum_px: int) -> None:
        super().__init__()
        self.network = network
        self.scale, self.multiple_px, self.minimum_px = scale, multiple_px, minimum_px

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x = x.to(next(self.network.parameters()).dtype)
        below, beside = self._lacking_px(height), self._lacking_px(width)
        if below or beside:
            # A mirror reaches at most one pixel less than the picture; the rest repeats the edge.
            x = F.pad(x, (0, min(beside, width - 1), 0, min(below, height - 1)), mode="reflect")
            x = F.pad(x, (0, max(0, beside - width + 1), 0, max(0, below - height + 1)), mode="replicate")
        result: Tensor = self.network(x)
        return result[..., : height * self.scale, : width * self.scale]

    def _lacking_px(self, length: int) -> int:
        return -(-max(length, self.minimum_px) // self.multiple_px) * self.multiple_px - length


@dataclass(frozen=True, slots=True, kw_only=True)
class Radius:
    """How far a network sees."""

    px: int
    is_exact: bool
    """Whether no input pixel further away changes an output pixel; otherwise `px` is `OVERLAP_PX`."""


def find_scale(network: nn.Module, *, name: str) -> int:
    """The factor of a network of RGB pictures. Raises InputError when it is not one."""
    try:
        shape = _run(network, torch.rand(1, 3, _SIDE_PX, _SIDE_PX)).shape
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError, AssertionError) as error:
        raise InputError(
            f"{name}: the network does not take one RGB picture ({_first_line(error)}); "
            "networks of several frames, of other channels or with a second input are not supported"
        ) from error
    scale, rest = divmod(shape[-1], _SIDE_PX)
    if shape != (1, 3, scale * _SIDE_PX, scale * _SIDE_PX) or rest or not 1 <= scale <= 8:
        raise InputError(
            f"{name}: the network turns 3×{_SIDE_PX}×{_SIDE_PX} into {'×'.join(map(str, shape[1:]))}, "
            "which is no upscaled RGB picture"
        )
    return scale


def find_multiple_px(network: nn.Module, *, scale: int, name: str) -> int:
    """The number that a picture's sides must be multiples of. Raises InputError when 64 does not help either."""
    for multiple in _MULTIPLES:
        odd = max(1, _SIDE_PX // 2 // multiple) | 1  # so that no side is a multiple of more than asked for
        height, width = odd * multiple, (odd + 2) * multiple
        try:
            result = _run(network, torch.rand(1, 3, height, width))
        except (RuntimeError, ValueError, AssertionError):
            continue
        if result.shape[-2:] == (height * scale, width * scale):
            return multiple
    raise InputError(f"{name}: no size of picture was found that the network takes")


def count_macs(network: nn.Module) -> int:
    """Multiply-accumulates per input pixel, counted in convolutions and matrix products as they are called."""
    with _Counter() as counter:
        _run(network, torch.rand(1, 3, _SIDE_PX, _SIDE_PX))
    total: int = counter.macs
    return round(total / _SIDE_PX**2)


class _Counter(TorchFunctionMode):
    """Sees every call of torch's functions, and adds up those that multiply and accumulate.

    torch's own `FlopCounterMode` counts the same, and takes seconds to import.
    """

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in ("conv1d", "conv2d", "conv3d"):
            self.macs += result.numel() * (args[1].numel() // args[1].shape[0])
        elif name in ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"):
            self.macs += args[0].numel() * (args[1].numel() // args[1].shape[0])
        elif name in ("linear", "matmul", "bmm", "mm", "__matmul__"):
            self.macs += result.numel() * args[0].shape[-1]
        elif name == "scaled_dot_product_attention":
            query, key = args[0], args[1]
            self.macs += 2 * query.numel() * key.shape[-2]
        return result


def find_radius(network: nn.Module, *, scale: int, multiple_px: int, macs_per_pixel: int) -> Radius:
    """How far away an input pixel may lie and still change an output pixel, by the gradient of one pixel's outputs.

    A network that works on a grid (`multiple_px` above one) sees differently far from one place to the next, so that
    no single measurement is exact. Nor is the search taken beyond 64 pixels, or a minute of arithmetic.
    """
    unknown = Radius(px=-(-OVERLAP_PX // multiple_px) * multiple_px, is_exact=False)
    if multiple_px > 1:
        return unknown
    for side in _RADIUS_SIDES_PX:
        if 6 * macs_per_pixel * side**2 > _RADIUS_BUDGET_MACS:
            return unknown
        reach = max(_reach_px(network, side, scale, seed) for seed in (1, 2))
        if reach < side // 2:
            return Radius(px=reach, is_exact=True)
    return unknown


def _reach_px(network: nn.Module, side: int, scale: int, seed: int) -> int:
    centre = side // 2
    generator = torch.Generator().manual_seed(seed)
    picture = torch.rand(1, 3, side, side, generator=generator).requires_grad_()
    out = network(picture)[..., centre * scale : (centre + 1) * scale, centre * scale : (centre + 1) * scale]
    (gradient,) = torch.autograd.grad((out * torch.rand(out.shape, generator=generator)).sum(), picture)
    touched = gradient[0].abs().sum(0).nonzero()
    return int((touched - centre).abs().max()) if len(touched) else 0


def find_safe_precisions(network: nn.Module, candidates: tuple[Reduced, ...]) -> tuple[Reduced, ...]:
    """Those of the candidates in which the network gives nearly what it does in fp32, on a small picture of noise."""
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    exact = _run(network, picture)
    safe = []
    for precision in candidates:
        dtype = _DTYPES[precision]
        try:
            result = _run(copy.deepcopy(network).to(dtype), picture.to(dtype)).float()
        except (RuntimeError, NotImplementedError, ValueError):
            continue  # some layer of it is not there in this precision, so it is not safe
        error = float((result - exact).square().mean())
        if error == error and error <= 10 ** (-_SAFE_DB / 10):
            safe.append(precision)
    return tuple(safe)


@torch.no_grad()
def _run(network: nn.Module, picture: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result: Tensor = network(picture)
    if not isinstance(result, Tensor):
        raise TypeError(f"it returns a {type(result).__name__}")
    return result


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__

"""A compact network whose layers are one kernel each: convolution, bias and activation at once, in half precision.

torch runs the three one after another, each reading and writing all features. Sums, bias and activation are in fp32
here and rounded once; the last layer's are not, and its kernel makes the picture of them. So the bits are not those of
torch's layers: which of the two computes a job is planned, and stands in the fingerprint. See docs/decisions/0705.
"""

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from sr_core.errors import InputError
from sr_core.inference import cuda_driver, nvrtc
from sr_core.inference.layer_kernels import (
    DTYPES,
    MOST_CHANNELS,
    THREADS,
    Capability,
    HalfPrecision,
    Layer,
    packed_weights,
    padded,
    rows_for,
    source,
    source_digest,
)
from sr_core.models.compact import Compact
from sr_core.types import Precision

_CHECKED_PX = (37, 53)
"""Height and width of the picture of noise on which kernels are checked: several tiles, none of them full."""
_ALLOWED_ERROR = 1 / 255
INSTEAD = "plan the job with --kernels torch"
_NEEDED: dict[HalfPrecision, Capability] = {"fp16": (7, 5), "bf16": (8, 0)}
"""Tensor cores that take these, in the way that layer.cu asks them."""


class Launch(Protocol):
    """A kernel, ready to run."""

    def __call__(
        self, arguments: tuple[Tensor | int, ...], *, grid: tuple[int, int, int], threads: int, shared_bytes: int
    ) -> None: ...


Build = Callable[[list[Layer]], Mapping[str, Launch]]
"""Makes kernels ready to run, by their names."""


class _Ready(NamedTuple):
    """A layer with its weights."""

    layer: Layer
    launch: Launch
    weights: Tensor
    bias: Tensor
    slope: Tensor

    def features(self, before: Tensor) -> Tensor:
        """(N, H, W, inputs) to (N, H, W, outputs), both contiguous."""
        return self._result(before, self.slope, (*before.shape[:3], self.layer.outputs), before.dtype)

    def enlarged(self, before: Tensor, picture: Tensor) -> Tensor:
        """(N, H, W, inputs), and float32 (N, H, W, 3), to float32 (N, 3, H·scale, W·scale): of the last layer."""
        count, height, width, channels = picture.shape
        size = (count, channels, height * self.layer.scale, width * self.layer.scale)
        return self._result(before, picture, size, torch.float32)

    def _result(self, before: Tensor, other: Tensor, size: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        count, height, width, _ = before.shape
        result = torch.empty(size, dtype=dtype, device=before.device)
        self.launch(
            (before, self.weights, self.bias, other, result, height, width),
            grid=self.layer.grid(count, height, width),
            threads=THREADS,
            shared_bytes=self.layer.shared_bytes,
        )
        return result


class FusedCompact(nn.Module):
    """Maps (N, 3, H, W) to (N, 3, H·scale, W·scale), as the compact network that it is made from, in its precision.

    Args:
        network: its weights are copied.
        precision: of features and weights.
        rows: of a tile for each warp, see `layer_kernels.rows_for`.
        device: where pictures will be.
        build: makes the kernels.

    Raises InputError when the network's layers are larger than kernels are made for, and whatever `build` raises.
    """

    def __init__(
        self, network: Compact, precision: HalfPrecision, *, rows: int, device: torch.device, build: Build
    ) -> None:
        super().__init__()
        self.scale = network.scale
        self._dtype = DTYPES[precision]
        found = network.convolutions()
        largest = max(max(conv.out_channels, conv.in_channels) for conv, _ in found)
        if largest > MOST_CHANNELS:
            raise InputError(
                f"fused layers have at most {MOST_CHANNELS} channels, and this network has {largest}; {INSTEAD}"
            )
        kinds = [Layer(precision, padded(conv.in_channels), padded(conv.out_channels), rows) for conv, _ in found]
        kinds[-1] = kinds[-1]._replace(scale=self.scale)
        kernels = build(sorted(set(kinds)))
        self._layers = [
            _Ready(
                kind,
                kernels[kind.name],
                packed_weights(conv.weight, kind).to(device),
                _filled(conv.bias, kind.outputs).to(device),
                _filled(slope, kind.outputs).to(device),
            )
            for kind, (conv, slope) in zip(kinds, found, strict=True)
        ]

    def forward(self, x: Tensor) -> Tensor:
        picture = x.float().permute(0, 2, 3, 1).contiguous()
        count, height, width, channels = picture.shape
        features = torch.zeros((count, height, width, padded(channels)), dtype=self._dtype, device=x.device)
        features[..., :channels] = picture
        *layers, last = self._layers
        for layer in layers:
            features = layer.features(features)
        return last.enlarged(features, picture)


def _filled(values: Tensor | None, length: int) -> Tensor:
    """The same in fp32, with zeros up to a length."""
    filled = torch.zeros(length)
    if values is not None:
        filled[: len(values)] = values.detach().float()
    return filled


@torch.inference_mode()
def check_fused(fused: nn.Module, network: Compact, precision: HalfPrecision, device: torch.device) -> None:
    """Holds fused layers against torch's, on noise; they may be no further from fp32 than twice torch's own and a code.

    Raises InputError when they are.
    """
    picture = torch.rand((1, 3, *_CHECKED_PX), generator=torch.Generator().manual_seed(1)).to(device)
    exact = copy.deepcopy(network).to(device)(picture)
    usual = copy.deepcopy(network).to(device=device, dtype=DTYPES[precision])(picture)
    allowed = 2 * float((usual - exact).abs().max()) + _ALLOWED_ERROR
    error = float((fused(picture) - exact).abs().max())
    # Where torch's own result is not finite in this precision, frames are computed in fp32 anyway.
    if allowed < float("inf") and not error <= allowed:
        raise InputError(
            f"the fused layers are wrong on this device: off by {255 * error:.1f} codes, where {255 * allowed:.1f} are "
            f"allowed; {INSTEAD}, and report it"
        )


def fuse(network: nn.Module, precision: Precision, device: torch.device) -> nn.Module:
    """A network with fused layers on a GPU, held against torch's there.

    Raises InputError when it cannot be had: another architecture or precision, a GPU without tensor cores, no NVRTC; or
    when it is wrong.
    """
    if precision == "fp32" or not isinstance(network, Compact):
        raise InputError(f"fused layers are for compact networks in fp16 or bf16; {INSTEAD}")
    capability = torch.cuda.get_device_capability(device)
    if capability < _NEEDED[precision]:
        raise InputError(
            f"fused layers in {precision} need a GPU of compute capability {'.'.join(map(str, _NEEDED[precision]))}, "
            f"and this one has {'.'.join(map(str, capability))}; {INSTEAD}"
        )
    build = partial(_built, capability=capability)
    fused = FusedCompact(network, precision, rows=rows_for(capability), device=device, build=build)
    check_fused(fused, network, precision, device)
    return fused


def _built(layers: list[Layer], *, capability: Capability) -> Mapping[str, Launch]:
    kernels = ready(source(layers), [layer.name for layer in layers], capability)
    for layer in layers:
        kernels[layer.name].divide_memory(threads=THREADS, shared_bytes=layer.shared_bytes)
    return kernels


def ready(source: str, names: list[str], capability: Capability) -> dict[str, cuda_driver.Kernel]:
    """Compiles kernels for the GPU in use and loads them. Raises InputError when they cannot be compiled."""
    try:
        binary = nvrtc.compile_cuda(source, architecture="sm_{}{}".format(*capability))
    except (nvrtc.NoCompiler, nvrtc.CompilationFailed) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"fused kernels cannot be compiled here ({first}); {INSTEAD}") from error
    return cuda_driver.load(binary, names)


def fused_builds() -> tuple[tuple[str, str], ...]:
    """What of fused kernels can change a bit: their source and its compiler."""
    return (("kernels", f"fused {source_digest()[:12]}"), ("nvrtc", nvrtc.version()))

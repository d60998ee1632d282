"""The compact network (BasicSR's SRVGGNetCompact): plain convolutions, one pixel shuffle, a nearest-neighbour skip.

Source: Wang et al., "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data", 2021, and
BasicSR 1.4 `basicsr/archs/srvgg_arch.py`, whose parameter names (``body.0.weight`` …) and order are kept, so that files
serve both. It knows nothing of files, precision or tiles.
"""

from functools import lru_cache
from math import gcd
from types import EllipsisType
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_VECTOR_BYTES = 64
"""Of the widest registers, AVX-512's; narrower ones are filled by that, too."""


class Margins(NamedTuple):
    """So many pixels on each side of a picture."""

    top: int
    bottom: int
    left: int
    right: int

    def at_most(self, most_px: int) -> "Margins":
        return Margins(*(min(side, most_px) for side in self))

    def inside(self) -> tuple[EllipsisType | slice, ...] | None:
        """The index of what of (…, H, W) is not in it; None for all."""
        if not any(self):
            return None
        return ..., slice(self.top, -self.bottom or None), slice(self.left, -self.right or None)

    def removed_from(self, x: Tensor) -> Tensor:
        """(…, H, W) without it, as a view."""
        inside = self.inside()
        return x if inside is None else x[inside]


class Compact(nn.Module):
    """Maps (N, in_channels, H, W) to (N, out_channels, H·scale, W·scale), both in [0, 1], gamma-encoded RGB.

    The receptive radius is `conv_count` + 2 input pixels: every convolution is 3×3, and there are `conv_count`
    between the first and the last.
    """

    def __init__(
        self,
        *,
        scale: int,
        feature_count: int = 64,
        conv_count: int = 16,
        activation: str = "prelu",
        in_channels: int = 3,
        out_channels: int = 3,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.feature_count = feature_count
        self.conv_count = conv_count
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, feature_count, 3, padding=1),
            _activation(activation, feature_count),
        ]
        for _ in range(conv_count):
            layers += [nn.Conv2d(feature_count, feature_count, 3, padding=1), _activation(activation, feature_count)]
        layers.append(nn.Conv2d(feature_count, out_channels * scale * scale, 3, padding=1))
        self.body = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        # The skip stays in x's own precision: in bf16 it alone would cost a whole 8-bit code near white.
        out = x.to(next(self.parameters()).dtype)
        for layer in self.body:
            out = layer(out)
        if torch.is_grad_enabled():
            return F.interpolate(x, scale_factor=self.scale, mode="nearest") + F.pixel_shuffle(out, self.scale)
        return shuffled_onto(x, out, self.scale)

    def convolutions(self) -> list[tuple[nn.Conv2d, Tensor]]:
        """Each convolution, and by what each of its channels is multiplied where it is negative: 1 after the last."""
        found: list[tuple[nn.Conv2d, Tensor]] = []
        for layer in self.body:
            if isinstance(layer, nn.Conv2d):
                found.append((layer, torch.ones(layer.out_channels)))
                continue
            conv, slope = found[-1]
            match layer:
                case nn.PReLU():
                    slope = layer.weight.detach().cpu() * slope
                case nn.LeakyReLU():
                    slope = layer.negative_slope * slope
                case nn.ReLU():
                    slope = 0 * slope
                case _:
                    raise ValueError(f"{type(layer).__name__} has no slope")
            found[-1] = (conv, slope)
        return found

    def inside(self, x: Tensor, margins: Margins) -> Tensor:
        """What `forward` gives inside of `margins`, but each layer computes only what the layers after it look at.

        Args:
            x: as `forward` takes it.
            margins: around what is wanted, in input pixels. Where they are narrower than the receptive radius, x must
                end where the picture does.
        """
        first = self.body[0]
        assert isinstance(first, nn.Conv2d)
        out = x.to(first.weight.dtype)
        cuts = iter(_cuts(margins, self.conv_count + 2))
        for layer in self.body:
            if isinstance(layer, nn.Conv2d):
                before, padding, after = next(cuts)
                out = F.conv2d(out if before is None else out[before], layer.weight, layer.bias, padding=padding)
                out = out if after is None else out[after]
            else:
                out = layer(out)
        return shuffled_onto(margins.removed_from(x), out, self.scale)


class _Cut(NamedTuple):
    """How a 3×3 convolution computes only what is wanted: beyond a side that keeps all, it sees zeros."""

    before: tuple[EllipsisType | slice, ...] | None
    """What is taken of its input, if not all."""
    padding: tuple[int, int]
    after: tuple[EllipsisType | slice, ...] | None
    """What is taken of its result."""


@lru_cache(maxsize=4096)
def _cuts(margins: Margins, conv_count: int) -> tuple[_Cut, ...]:
    """One for each convolution, of which each looks one pixel around what the next one wants.

    Kept, as small parts of pictures take longer to be cut than to be computed.
    """
    cuts, seen = [], margins
    for layers_left in reversed(range(conv_count)):
        kept = seen.at_most(layers_left)
        unwanted = Margins(*(before - after for before, after in zip(seen, kept, strict=True)))
        rows, columns = int(0 in (unwanted.top, unwanted.bottom)), int(0 in (unwanted.left, unwanted.right))
        top, bottom, left, right = unwanted.at_most(1)
        cuts.append(
            _Cut(
                Margins(*(max(0, side - 1) for side in unwanted)).inside(),
                (rows, columns),
                Margins(top * rows, bottom * rows, left * columns, right * columns).inside(),
            )
        )
        seen = kept
    return tuple(cuts)


def shuffled_onto(x: Tensor, out: Tensor, scale: int) -> Tensor:
    """The nearest-neighbour enlargement of `x` plus the pixel shuffle of `out`, in one pass that writes planar pixels.

    Equal to the last bit to doing the three one after another, in less than half of their time (bench/README.md).
    """
    count, channels, height, width = x.shape
    result = torch.empty((count, channels, height, scale, width, scale), dtype=x.dtype, device=x.device)
    details = out.view(count, channels, scale, scale, height, width).permute(0, 1, 4, 2, 5, 3)
    torch.add(details, x[:, :, :, None, :, None], out=result)
    return result.view(count, channels, height * scale, width * scale)


class _PReLU(nn.PReLU):
    """Gives what `nn.PReLU` gives, to the last bit; in a third of the time where features do not fill CPU registers.

    Torch computes one by one what is left over of each pixel's features, as 16 of 48 in bf16. So as many pixels are
    taken together as leave nothing over.
    """

    def forward(self, x: Tensor) -> Tensor:
        pixels = _VECTOR_BYTES // gcd(self.num_parameters * x.element_size(), _VECTOR_BYTES)
        if pixels == 1:
            return torch.prelu(x, self.weight)
        count, features, height, width = x.shape
        are_rows = x.is_contiguous(memory_format=torch.channels_last) and count * height * width % pixels == 0
        if not are_rows or x.device.type != "cpu" or torch.is_grad_enabled():
            return super().forward(x)
        rows = x.permute(0, 2, 3, 1).view(-1, pixels * features)
        out = F.prelu(rows, self.weight.repeat(pixels))
        return out.view(count, height, width, features).permute(0, 3, 1, 2)


def _activation(name: str, feature_count: int) -> nn.Module:
    match name:
        case "prelu":
            return _PReLU(num_parameters=feature_count)
        case "relu":
            return nn.ReLU(inplace=True)
        case "leakyrelu":
            return nn.LeakyReLU(negative_slope=0.1, inplace=True)
    raise ValueError(f"unknown activation {name!r}")


def from_state(state: dict[str, Tensor]) -> Compact:
    """Builds the network that fits `state`, a state dict with SRVGGNetCompact's names, and loads it.

    Sizes are read off the tensors' shapes. The state must be complete: `load_state_dict` is strict.

    Raises:
        KeyError: a tensor that the layout needs is missing.
        ValueError: the shapes are not those of a compact network.
    """
    convs = sorted(
        (int(name.split(".")[1]), name)
        for name, tensor in state.items()
        if name.endswith(".weight") and tensor.ndim == 4
    )
    if len(convs) < 2 or any(not name.startswith("body.") for _, name in convs):
        raise ValueError("the tensors are not those of a compact network (body.N.weight)")
    first, last = state[convs[0][1]], state[convs[-1][1]]
    in_channels = first.shape[1]
    scale_squared, remainder = divmod(last.shape[0], in_channels)
    scale = round(scale_squared**0.5)
    if remainder or scale * scale != scale_squared:
        raise ValueError(f"the last layer's {last.shape[0]} channels are not {in_channels} × scale²")
    has_prelu = any(tensor.ndim == 1 and name.endswith(".weight") for name, tensor in state.items())
    network = Compact(
        scale=scale,
        feature_count=first.shape[0],
        conv_count=len(convs) - 2,
        activation="prelu" if has_prelu else "relu",
        in_channels=in_channels,
        out_channels=in_channels,
    )
    network.load_state_dict(state)
    return network


def read_tensors(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies a state dict to fp32 on the CPU, whatever it was saved as."""
    return {name: tensor.detach().to(device="cpu", dtype=torch.float32).contiguous() for name, tensor in state.items()}

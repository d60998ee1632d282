"""The compact network over a part of a picture: less work, the same bits."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sr_core.models.compact import Compact, Margins

CONV_COUNT, SCALE = 3, 2
RADIUS_PX = CONV_COUNT + 2
HEIGHT_PX, WIDTH_PX = 70, 90
LEAST_PX = 32


def network(activation: str, precision: torch.dtype) -> Compact:
    torch.manual_seed(5)
    made = Compact(scale=SCALE, feature_count=16, conv_count=CONV_COUNT, activation=activation)
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.2)
    result: Compact = made.eval().to(precision).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return result


def channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


@st.composite
def spans(draw: st.DrawFn, size: int) -> tuple[int, int]:
    """Of a part, often at an edge or a few pixels from one."""
    start = draw(st.one_of(st.integers(0, RADIUS_PX), st.integers(0, size - LEAST_PX)))
    gap = draw(st.one_of(st.integers(0, RADIUS_PX), st.integers(0, size)))
    return start, max(start + LEAST_PX, size - gap)


@pytest.mark.parametrize("activation", ["prelu", "relu", "leakyrelu"])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@settings(max_examples=25, deadline=None)
@given(rows=spans(HEIGHT_PX), columns=spans(WIDTH_PX), wider_px=st.integers(0, 3))
def test_the_inside_of_a_ring_is_what_the_whole_picture_has_there(
    activation: str, precision: torch.dtype, rows: tuple[int, int], columns: tuple[int, int], wider_px: int
) -> None:
    # Given a picture, and a part of it that is seen with at least its receptive radius around it
    subject = network(activation, precision)
    picture = torch.rand(1, 3, HEIGHT_PX, WIDTH_PX)
    (top, bottom), (left, right) = rows, columns
    margins = Margins(*(min(RADIUS_PX + wider_px, gap) for gap in (top, HEIGHT_PX - bottom, left, WIDTH_PX - right)))
    seen = picture[:, :, top - margins.top : bottom + margins.bottom, left - margins.left : right + margins.right]

    # When only the part is computed
    with torch.inference_mode():
        part = subject.inside(channels_last(seen), margins)
        whole = subject(channels_last(picture))

    # Then it is what the whole picture has there
    assert torch.equal(part, whole[:, :, top * SCALE : bottom * SCALE, left * SCALE : right * SCALE])


def test_every_layer_computes_less_than_the_one_before() -> None:
    subject = network("prelu", torch.float32)
    sizes: list[tuple[int, ...]] = []
    for layer in subject.body:
        if isinstance(layer, nn.PReLU):
            layer.register_forward_hook(lambda _layer, _inputs, output: sizes.append(tuple(output.shape[-2:])))

    with torch.inference_mode():
        subject.inside(torch.rand(1, 3, 50, 60), Margins(RADIUS_PX, RADIUS_PX, RADIUS_PX, 0))

    assert sizes == [(48, 59), (46, 58), (44, 57), (42, 56)]


@pytest.mark.parametrize("features", [8, 24, 32, 48])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size_px", [(6, 10), (7, 9)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_an_activation_gives_what_torchs_own_gives(
    features: int, dtype: torch.dtype, size_px: tuple[int, int], layout: torch.memory_format
) -> None:
    # Given features that fill the registers, and some that leave a rest, in pictures that do and do not divide
    ours = Compact(scale=2, feature_count=features, conv_count=1).body[1].to(dtype)
    theirs = nn.PReLU(features).to(dtype)
    slopes = torch.rand(features, generator=torch.Generator().manual_seed(1)).to(dtype)
    for activation in (ours, theirs):
        activation.load_state_dict({"weight": slopes})
    x = torch.randn((2, features, *size_px), generator=torch.Generator().manual_seed(2)).to(dtype)
    x = x.contiguous(memory_format=layout)

    with torch.inference_mode():
        out, expected = ours(x), theirs(x)

    assert torch.equal(out, expected)
    assert out.is_contiguous(memory_format=layout)

"""Results may wait for the encoder; the large pictures that they were made of do not wait with them."""

import weakref

import pytest
import torch
from torch import Tensor, nn

from sr_core.inference.engine import Engine, Upscaled
from sr_core.inference.sequence import SequenceUpscaler
from sr_core.inference.steps import Format
from sr_core.types import Execution
from tests import builders

FORM = Format("gray", 8, builders.color(range="full"))


class Identity(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.mark.parametrize("reuse", [True, False])
@pytest.mark.parametrize("moving", [True, False])
def test_of_frames_that_wait_only_the_last_keeps_its_picture(
    reuse: bool, moving: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an engine of which every picture is watched
    pictures: list[weakref.ref[Tensor]] = []
    whole = Engine.upscale_whole

    def watched(engine: Engine, rgb: Tensor) -> Upscaled:
        upscaled = whole(engine, rgb + 0)
        pictures.append(weakref.ref(upscaled.rgb))
        return upscaled

    monkeypatch.setattr(Engine, "upscale_whole", watched)
    execution = Execution(device="cpu", precision="fp32", tile_px=None, halo_px=0, batch_frames=1)
    sequence = SequenceUpscaler(Engine(Identity(), execution, scale=1), output=FORM, reuse=reuse)

    # When frames are upscaled and nobody takes them
    random = torch.Generator().manual_seed(1)
    frames = [torch.randint(0, 256, (1, 48, 64), dtype=torch.uint8, generator=random) for _ in range(5)]
    results = [sequence.begin(sequence.step([each if moving else frames[0]], FORM)) for each in frames]

    # Then their planes are there, and one picture
    planes = [each.result(timeout=0).planes[0] for each in results]
    assert all(map(torch.equal, planes, frames if moving else frames[:1] * 5))
    assert sum(picture() is not None for picture in pictures) == 1

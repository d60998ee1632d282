"""Upscale takes parts of frames from before only where they come out as in whole frames; else it begins anew."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from torch import Tensor

from sr_core.contract import REQUEST_KEY, TIMESTAMPS_KEY, Stage
from sr_core.errors import InputError
from sr_core.inference import steps
from sr_core.inference.engine import Engine
from sr_core.inference.rectangles import Rectangle
from sr_core.manifest import Manifest
from sr_core.stages.extract import extract
from sr_core.stages.upscale import upscale
from sr_core.storage import open_store, source_version
from sr_core.types import Receipt, Settings
from tests import builders

WIDTH_PX, HEIGHT_PX, FRAMES = 128, 96, 48


def still_but_for_a_square(path: Path) -> Path:
    """A lossless clip in which only a square of eight pixels moves."""
    texture = np.random.default_rng(0).integers(16, 236, (HEIGHT_PX * 3 // 2, WIDTH_PX), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(6))
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        for index in range(FRAMES):
            picture = texture.copy()
            picture[40:48, 20 + 2 * index : 28 + 2 * index] = 235
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        container.mux(stream.encode())
    return path


def extracted(folder: Path) -> Manifest:
    folder.mkdir()
    source = still_but_for_a_square(folder / "source.mkv")
    manifest = Manifest(open_store(str(folder / "job")))
    settings = Settings(model="compact-x2", device="cpu", precision="fp32", preset="ultrafast")
    request = builders.request(settings, input=str(source), input_version=source_version(str(source)))
    manifest.store.put_bytes(REQUEST_KEY, request.to_json())
    extract(manifest, scratch=folder, tier="local", chunk_segments=100)
    return manifest


def digests(receipts: dict[int, Receipt]) -> list[str]:
    return [receipts[index].sha256 for index in sorted(receipts)]


def test_segments_that_used_parts_before_these_were_refuted_are_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a machine on which parts come out otherwise from the tenth on, which is noticed in the second segment
    whole = extracted(tmp_path / "whole")
    expected = digests(upscale(whole, 0, scratch=tmp_path, reuse=False))
    monkeypatch.setattr(steps, "CHECK_EVERY", 30)
    right, calls = Engine.upscale_parts, 0

    def wrong_at_last(engine: Engine, rgb: Tensor, parts: Sequence[Rectangle]) -> list[Tensor] | None:
        nonlocal calls
        calls += 1
        results = right(engine, rgb, parts)
        return results if calls < 10 or results is None else [each + 0.1 for each in results]

    monkeypatch.setattr(Engine, "upscale_parts", wrong_at_last)
    manifest = extracted(tmp_path / "parts")

    # When a chunk of two segments is upscaled
    receipts = upscale(manifest, 0, scratch=tmp_path)

    # Then both are those of whole frames, the first one too, and their receipts say what happened
    assert len(receipts) == 2
    assert calls > 30
    assert digests(receipts) == expected
    assert digests(manifest.receipts(Stage.UPSCALE, [0, 1])) == expected
    assert all("on this machine parts of a frame come out otherwise" in receipts[index].notes[-1] for index in (0, 1))


def test_a_source_that_does_not_decode_twice_to_the_same_is_damaged_input_and_no_lost_data(tmp_path: Path) -> None:
    # Given a job whose third frame was another picture when it was scanned, as a decoder makes of damage
    manifest = extracted(tmp_path / "job")
    frames = manifest.frames()
    frames.checksums[2] ^= 1
    manifest.store.put_bytes(TIMESTAMPS_KEY, frames.to_json())

    # When it is upscaled, then the source is to blame, in a line that says what to do
    with pytest.raises(
        InputError, match=r"frame 2 does not decode .*; the source is damaged there: try a copy made by"
    ):
        upscale(manifest, 0, scratch=tmp_path)

"""The way through a GPU, on a CPU's stand-ins for streams: the same bytes, in order, and nothing waits for others."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sr_core.errors import GpuMemory, HostCapacity, IntegrityError, TransientError
from sr_core.inference.color import rgb_to_planes
from sr_core.inference.engine import Engine
from sr_core.inference.sequence import SequenceUpscaler
from sr_core.inference.steps import Format
from sr_core.inference.streamed import Arrived, Passage, Repeat, StreamedUpscaler
from sr_core.models.compact import Compact
from sr_core.stages.overlap import overlap
from sr_core.types import Execution, Precision
from sr_core.video.frames import Plane
from tests import builders

pytestmark = pytest.mark.usefixtures("one_thread")

WIDTH_PX, HEIGHT_PX, SCALE, CONV_COUNT = 45, 38, 2, 2
EIGHT = Format("420", 8, builders.color())
TEN = Format("422", 10, builders.color(siting="center"))
WHITE = 0.9
"""A frame of this value or more is the one that a failing network fails for."""


class Network(nn.Module):
    """Counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.inner = Compact(scale=SCALE, feature_count=8, conv_count=CONV_COUNT)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        result: Tensor = self.inner(x)
        return result

    def __deepcopy__(self, _memo: object) -> "Network":
        return self


def engine(network: nn.Module, *, precision: Precision = "fp32", tile_px: int | None = None) -> Engine:
    execution = Execution(device="cpu", precision=precision, tile_px=tile_px, halo_px=CONV_COUNT + 2, batch_frames=1)
    return Engine(network, execution, scale=SCALE)


def streamed(network: nn.Module | None = None, **options: object) -> StreamedUpscaler:
    values: dict[str, object] = {"output": EIGHT, "size_px": (WIDTH_PX, HEIGHT_PX), **options}
    return StreamedUpscaler(engine(network or Network()), **values)  # type: ignore[arg-type]


def frame(seed: int, form: Format = EIGHT) -> tuple[Plane, ...]:
    random = np.random.default_rng(seed)
    rows = -(-HEIGHT_PX // 2) if form.chroma == "420" else HEIGHT_PX
    sizes = ((HEIGHT_PX, WIDTH_PX), *2 * ((rows, -(-WIDTH_PX // 2)),))
    codes = [random.integers(0, 1 << form.bit_depth, size) for size in sizes]
    return tuple(to_plane(each, form) for each in codes)


def to_plane(codes: Any, form: Format) -> Plane:
    plane: Plane = codes.astype(np.uint8 if form.bit_depth == 8 else np.uint16)
    return plane


def white() -> tuple[Plane, ...]:
    return tuple(np.full_like(plane, 235 if index == 0 else 128) for index, plane in enumerate(frame(0)))


def in_threads(upscaler: StreamedUpscaler, frames: Sequence[tuple[Plane, ...]], form: Format = EIGHT) -> list[Arrived]:
    steps = (upscaler.step(each, form) for each in frames)
    results = overlap(steps, upscaler.upscale, workers=3, ahead=4, prepare_worker=lambda: torch.set_num_threads(1))
    return list(map(upscaler.arrived, results))


def alone(upscaler: StreamedUpscaler, step: Passage | Repeat) -> Arrived:
    return upscaler.arrived(upscaler.upscale(step))


def as_on_a_cpu(
    frames: Sequence[tuple[Plane, ...]], form: Format, *, engine: Engine, output: Format, quarter_turns: int = 0
) -> list[list[Plane]]:
    sequence = SequenceUpscaler(engine, output=output, quarter_turns=quarter_turns, reuse=False)
    steps = [sequence.step([torch.from_numpy(plane)[None] for plane in each], form) for each in frames]
    planes = [sequence.upscale(step).planes for step in steps]
    return [[to_plane(plane[0].numpy(), output) for plane in each] for each in planes]


@pytest.mark.parametrize(
    ("source", "output", "quarter_turns", "precision", "tile_px"),
    [
        (EIGHT, EIGHT, 0, "fp32", None),
        (TEN, TEN, 1, "bf16", 32),
        (EIGHT, TEN, 2, "fp32", 32),
        (TEN, EIGHT, 3, "bf16", None),
    ],
)
def test_the_bytes_are_those_of_the_way_through_a_cpu(
    source: Format, output: Format, quarter_turns: int, precision: Precision, tile_px: int | None
) -> None:
    frames = [frame(seed, source) for seed in (0, 1, 1, 2, 3, 3, 3, 4)]
    size_px = (HEIGHT_PX, WIDTH_PX) if quarter_turns % 2 else (WIDTH_PX, HEIGHT_PX)
    upscaler = StreamedUpscaler(
        engine(Network(), precision=precision, tile_px=tile_px),
        output=output,
        size_px=size_px,
        quarter_turns=quarter_turns,
    )

    arrived = in_threads(upscaler, frames, source)

    expected = as_on_a_cpu(
        frames,
        source,
        engine=engine(Network(), precision=precision, tile_px=tile_px),
        output=output,
        quarter_turns=quarter_turns,
    )
    for one, other in zip(arrived, expected, strict=True):
        assert all(map(np.array_equal, one.planes, other))
        assert {plane.dtype for plane in one.planes} == {np.dtype(np.uint8 if output.bit_depth == 8 else np.uint16)}


@pytest.mark.parametrize("reuse", [True, False])
def test_a_frame_equal_to_the_last_is_not_computed(reuse: bool) -> None:
    network = Network()
    upscaler = streamed(network, reuse=reuse)
    before = network.calls

    arrived = in_threads(upscaler, [frame(0), frame(0), frame(1), frame(0), frame(0)])

    assert network.calls - before == (3 if reuse else 5)
    assert [each.computed_share for each in arrived] == ([1, 0, 1, 1, 0] if reuse else [1] * 5)
    assert all(map(np.array_equal, arrived[1].planes, arrived[0].planes))
    assert all(each.busy_seconds == 0 for each in arrived if each.computed_share == 0)


def test_no_thread_waits_for_the_frame_that_another_repeats() -> None:
    # Given a frame that nobody has asked for yet, and one equal to it
    upscaler = streamed()
    origin, repeat = (upscaler.step(frame(0), EIGHT) for _ in range(2))

    # When a thread comes to the second, it is free at once; in order, both arrive
    repeated = upscaler.upscale(repeat)
    first = alone(upscaler, origin)
    assert all(map(np.array_equal, upscaler.arrived(repeated).planes, first.planes))


def test_one_changed_sample_makes_another_frame() -> None:
    changed = [plane.copy() for plane in frame(0)]
    changed[2][-1, -1] ^= 1

    arrived = in_threads(streamed(), [frame(0), tuple(changed)])

    assert [each.computed_share for each in arrived] == [1, 1]


def test_whoever_asks_first_gets_its_own_frame() -> None:
    frames = [frame(seed) for seed in range(3)]
    upscaler = streamed()
    steps = [upscaler.step(each, EIGHT) for each in frames]

    arrived = {index: alone(upscaler, steps[index]) for index in (2, 0, 1)}

    expected = as_on_a_cpu(frames, EIGHT, engine=engine(Network()), output=EIGHT)
    assert all(all(map(np.array_equal, arrived[index].planes, expected[index])) for index in range(3))


class Overflowing(Network):
    """Infinite for white frames, the first `times` it sees one."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        if float(x.min()) < WHITE or self.times == 0:
            return out
        self.times -= 1
        return out + torch.inf


def test_a_frame_that_is_not_finite_is_computed_again_and_lends_its_second_result() -> None:
    network = Overflowing(times=1)
    frames = [frame(0), white(), white(), frame(1)]
    upscaler = streamed(network)
    before = network.calls

    arrived = in_threads(upscaler, frames)

    expected = as_on_a_cpu(frames, EIGHT, engine=engine(Network()), output=EIGHT)
    assert network.calls - before == 4
    assert all(all(map(np.array_equal, one.planes, other)) for one, other in zip(arrived, expected, strict=True))


def test_a_network_that_is_infinite_in_fp32_too_is_refused_for_that_frame_and_its_like() -> None:
    upscaler = streamed(Overflowing(times=9))
    steps = [upscaler.step(each, EIGHT) for each in (frame(0), white(), white(), frame(1))]

    assert alone(upscaler, steps[0]).computed_share == 1
    for step in steps[1:3]:
        with pytest.raises(IntegrityError, match="the weights are unusable"):
            alone(upscaler, step)
    assert alone(upscaler, steps[3]).computed_share == 1


class Failing(Network):
    """Fails for white frames, as torch tells of it."""

    message = ""

    def forward(self, x: Tensor) -> Tensor:
        if float(x.min()) >= WHITE:
            raise RuntimeError(self.message)
        return super().forward(x)


@pytest.mark.parametrize(
    ("message", "error", "told"),
    [
        (
            "CUDA error: an illegal memory access was encountered\nadvice",
            TransientError,
            r"^the GPU failed \(CUDA error",
        ),
        ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", TransientError, "start the job again$"),
        (
            "CUDA error: no kernel image is available for execution on the device",
            RuntimeError,
            "^CUDA error: no kernel",
        ),
        ("shapes do not match", RuntimeError, "^shapes do not match"),
    ],
)
def test_a_failure_is_told_for_its_own_frame(message: str, error: type[Exception], told: str) -> None:
    # Given a frame that fails, queued by a thread that asks for the one after it
    network = Failing()
    network.message = message
    upscaler = streamed(network)
    steps = [upscaler.step(each, EIGHT) for each in (white(), frame(1))]

    # Then that thread has its result, and who asks for the first is told
    assert alone(upscaler, steps[1]).computed_share == 1
    with pytest.raises(error, match=told):
        alone(upscaler, steps[0])


def test_what_is_held_for_speed_gives_way_before_a_gpu_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a GPU that has no room for a frame's colours while it holds recordings
    upscaler = streamed()
    expected = alone(upscaler, upscaler.step(frame(0), EIGHT))
    held = ["recordings"]

    def in_what_is_left(*given: Any, **options: Any) -> Any:
        if held:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 398.00 MiB")
        return rgb_to_planes(*given, **options)

    monkeypatch.setattr("sr_core.inference.streamed.rgb_to_planes", in_what_is_left)
    monkeypatch.setattr(Engine, "make_room", lambda _engine: held.clear())

    # Then they are given up, and the frame is what it was
    again = alone(upscaler, upscaler.step(frame(1), EIGHT)), alone(upscaler, upscaler.step(frame(0), EIGHT))
    assert not held
    assert all(map(np.array_equal, again[1].planes, expected.planes))


@pytest.mark.parametrize(("said", "error"), [("out of memory", HostCapacity), ("illegal access", TransientError)])
def test_a_host_without_memory_for_frames_is_what_is_too_small(
    said: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    upscaler = streamed()

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"CUDA error: {said}")

    monkeypatch.setattr("sr_core.inference.streams.torch.empty", fail)

    with pytest.raises(error):
        upscaler.step(frame(0), EIGHT)


def test_a_gpu_without_room_for_the_colours_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 398.00 MiB")

    monkeypatch.setattr("sr_core.inference.streamed.rgb_to_planes", fail)
    upscaler = streamed()

    with pytest.raises(GpuMemory, match="out of GPU memory beside the network; use a GPU with more memory"):
        alone(upscaler, upscaler.step(frame(0), EIGHT))

"""Static shapes: on a GPU, a network's work for one shape of input is recorded and replayed whole, where that pays.

A CUDA graph launches the same kernels on the same data, so it can save the host's time and change nothing. That is
checked, not assumed: a recording is kept when it gives the network's very bits, on other pictures than the one it was
made with, and is no slower. Otherwise the network itself is called, and a note says why. See docs/decisions/0702.
"""

import statistics
import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

Replay = Callable[[Tensor], Tensor]
"""Gives for a batch of the recorded shape what the network would, in memory of its own."""

MOST_SHAPES = 16
"""Each holds its buffers on the GPU. A frame is one shape; a grid of tiles has nine, or some more by rounding."""
_RUNS, _CALLS = 3, 4


def capture_graph(network: nn.Module, example: Tensor) -> Replay:
    """Records what the network does with a batch of this shape, as a CUDA graph.

    Raises RuntimeError where it does something that cannot be recorded, as waiting for a result does.
    """
    given = example.clone()
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):  # until every library has chosen its algorithms and got its memory
            network(given)
        _check_that_it_never_waits(network, given)
    current = torch.cuda.current_stream()
    current.wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # A capture that fails may leave its own stream the current one; and other threads may copy meanwhile, so that only
    # what this one does is looked at.
    with torch.cuda.stream(current), torch.cuda.graph(graph, capture_error_mode="thread_local"):
        result: Tensor = network(given)

    def replay(batch: Tensor) -> Tensor:
        given.copy_(batch)
        graph.replay()
        return result.clone()

    return replay


def _check_that_it_never_waits(network: nn.Module, batch: Tensor) -> None:
    """Raises RuntimeError if a network waits for the GPU: captures that fail of it leave torch's memory in disorder."""
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        network(batch)
    finally:
        torch.cuda.set_sync_debug_mode(mode)


class CudaGraphs:
    """A network, called through recordings for the shapes that it was prepared for.

    After `prepare`, calls must come one after another in one stream: recordings share their buffers between calls.

    Args:
        network: maps (N, 3, H, W) to (N, 3, H·scale, W·scale).
        record: makes a recording; may raise RuntimeError.
        clock: tells seconds.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        record: Callable[[nn.Module, Tensor], Replay] = capture_graph,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._network, self._record, self._clock = network, record, clock
        self._kept: dict[torch.Size, Replay] = {}
        """By shape, for batches that are channels last: in another memory format other kernels run."""
        self.notes: tuple[str, ...] = ()
        """What was decided on each shape, and why."""

    def __call__(self, batch: Tensor) -> Tensor:
        known = self._kept if batch.is_contiguous(memory_format=torch.channels_last) else {}
        replay = known.get(batch.shape)
        result: Tensor = self._network(batch) if replay is None else replay(batch)
        return result

    def forget(self) -> None:
        """Calls the network itself from now on, and gives the recordings' memory back."""
        self._kept.clear()

    @torch.inference_mode()
    def prepare(self, shapes: Iterable[torch.Size], device: torch.device) -> None:
        """Decides on the first `MOST_SHAPES` of these shapes, by running the network on noise, channels last."""
        for shape in list(dict.fromkeys(shapes))[:MOST_SHAPES]:
            try:
                verdict = self._decide(shape, device)
            except RuntimeError as error:
                verdict = f"called directly, it cannot be recorded ({str(error).strip().splitlines()[0]})"
            self.notes = (*self.notes, f"network at {'×'.join(map(str, shape))}: {verdict}")

    def _decide(self, shape: torch.Size, device: torch.device) -> str:
        first, other = (_noise(shape, seed, device) for seed in range(2))
        if not torch.equal(self._network(first), self._network(first)):
            return "called directly, and ITS BITS CHANGE from call to call on this device"
        replay = self._record(self._network, first)
        # All replays before any comparison: a result must outlive the next one.
        batches = (other, first, other)
        replayed = [replay(batch) for batch in batches]
        if not all(map(torch.equal, replayed, map(self._network, batches))):
            return "called directly, a recording gives other bits"
        seconds = {call: self._seconds(call, first) for call in (self._network, replay)}
        times = f"{seconds[replay] * 1e3:.2f} ms a replay, {seconds[self._network] * 1e3:.2f} ms a call"
        if seconds[replay] > seconds[self._network]:
            return f"called directly, a recording is slower ({times})"
        self._kept[shape] = replay
        return f"recorded and replayed ({times})"

    def _seconds(self, call: Callable[[Tensor], Tensor], batch: Tensor) -> float:
        """Of a call among several that are queued at once; the median of some runs."""
        device = torch.get_device_module(batch.device)
        taken = []
        for _ in range(_RUNS):
            device.synchronize()
            started = self._clock()
            for _ in range(_CALLS):
                call(batch)
            device.synchronize()
            taken.append((self._clock() - started) / _CALLS)
        return statistics.median(taken)


def _noise(shape: torch.Size, seed: int, device: torch.device) -> Tensor:
    picture = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    return picture.to(device).contiguous(memory_format=torch.channels_last)

"""A device's three streams of work: up, the network, down. Each goes on by itself; events tell one to wait for another.

Owns streams, events and the pinned host memory that copies need, and knows nothing of what is copied. On a CPU all is
done as soon as it is queued, by torch's own stand-ins for streams, so the code that uses it runs there line by line.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from sr_core.errors import HostCapacity
from sr_core.inference.memory import is_out_of_memory


class Event:
    """The moment when a stream has done everything that was queued in it until now.

    Args:
        device: whose stream it is.
        stream: records the event.
    """

    def __init__(self, device: torch.device, stream: torch.Stream) -> None:
        self._moment = time.monotonic()
        # A blocking wait gives the core away: on the machines that this runs on, the encoder needs it.
        options = {"enable_timing": True, "blocking": True} if device.type == "cuda" else {}
        self.event: Any = torch.get_device_module(device).Event(**options)
        self.event.record(stream)

    def wait(self) -> None:
        """Waits in this thread, letting others run."""
        self.event.synchronize()

    def seconds_since(self, earlier: "Event") -> float:
        """Time on the device's clock between two moments that have passed."""
        if isinstance(self.event, torch.cpu.Event):
            return self._moment - earlier._moment
        return float(earlier.event.elapsed_time(self.event)) / 1000


class Streams:
    """The streams of one device; what was begun before them, such as the upload of a network, comes first."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._on = torch.get_device_module(device)
        self._up, self._work, self._down = (self._on.Stream() for _ in range(3))
        self._work.wait_stream(self._on.current_stream())

    def upload(self, arrays: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], Event]:
        """Starts copies to the device, for `working`; returns them with the moment when they are there.

        The arrays, on the host and of any strides, may be changed as soon as this returns.
        """
        with self._on.stream(self._up):
            copies = tuple(self._pinned(array).copy_(array).to(self._device, non_blocking=True) for array in arrays)
            for copy in copies:
                self._lend(copy, self._work)
            return copies, Event(self._device, self._up)

    @contextmanager
    def working(self, *after: Event) -> Iterator[None]:
        """What is computed within comes after those events, in the order of the calls."""
        for event in after:
            self._work.wait_event(event.event)
        with self._on.stream(self._work):
            yield

    def event(self) -> Event:
        """The moment when all work so far is done."""
        return Event(self._device, self._work)

    def download(self, results: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], Event]:
        """Starts copies of what was computed; the memory that they arrive in, and the moment when they are there."""
        self._down.wait_event(self.event().event)
        with self._on.stream(self._down):
            copies = tuple(self._pinned(result).copy_(result, non_blocking=True) for result in results)
            for result in results:
                self._lend(result, self._down)
            return copies, Event(self._device, self._down)

    def _pinned(self, like: Tensor) -> Tensor:
        """Host memory that the device reaches by itself.

        torch gives it to the next copy of that size once it is freed and the last copy is through. As the frames in
        flight are bounded, so is this. Raises HostCapacity when there is none.
        """
        try:
            return torch.empty(like.shape, dtype=like.dtype, pin_memory=self._device.type == "cuda")
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            # CUDA tells of it in the words that it has for its own memory.
            raise HostCapacity("no host memory is left for frames on their way; use a machine with more") from error

    def _lend(self, tensor: Tensor, stream: torch.Stream) -> None:
        """Keeps a tensor's memory from being given to others while another stream still uses it."""
        if self._device.type == "cuda":
            tensor.record_stream(stream)

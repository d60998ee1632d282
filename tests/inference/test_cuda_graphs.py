"""Recordings of a network: kept when they give its very bits and are no slower, dropped with a reason otherwise."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sr_core.inference.cuda_graphs import MOST_SHAPES, CudaGraphs, Replay
from sr_core.models.compact import Compact

SHAPE = torch.Size((1, 3, 16, 24))
CPU = torch.device("cpu")


class Network(nn.Module):
    """Counts its calls, each of which takes a second of `clock`."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner = Compact(scale=2, feature_count=4, conv_count=1)
        self.calls, self.seconds = 0, 0.0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.seconds += 1
        result: Tensor = self.inner(x)
        return result


def record(
    network: nn.Module, example: Tensor, *, change: float = 0.0, clone: bool = True, seconds: float = 0.5
) -> Replay:
    """What a CUDA graph does, on a CPU: one buffer to read from, one to write to, and calls that take `seconds`."""
    assert isinstance(network, Network)
    given = example.clone()
    result: Tensor = network.inner(example) * 0

    def replay(batch: Tensor) -> Tensor:
        network.seconds += seconds
        given.copy_(batch)
        result.copy_(network.inner(given) + change)
        return result.clone() if clone else result

    return replay


def picture(value: float) -> Tensor:
    return torch.full(SHAPE, value).contiguous(memory_format=torch.channels_last)


def prepared(network: Network, record: Callable[[nn.Module, Tensor], Replay] = record) -> CudaGraphs:
    graphs = CudaGraphs(network, record=record, clock=lambda: network.seconds)
    graphs.prepare([SHAPE], CPU)
    return graphs


@torch.inference_mode()
def test_a_recording_that_gives_the_same_bits_sooner_is_used() -> None:
    network = Network()
    graphs, calls = prepared(network), network.calls

    results = [graphs(picture(value)) for value in (0.2, 0.7)]

    assert network.calls == calls
    assert graphs.notes == ("network at 1×3×16×24: recorded and replayed (500.00 ms a replay, 1000.00 ms a call)",)
    for value, result in zip((0.2, 0.7), results, strict=True):
        assert torch.equal(result, network.inner(picture(value)))


@torch.inference_mode()
@pytest.mark.parametrize(
    ("recording", "reason"),
    [
        (lambda network, batch: record(network, batch, change=1e-6), "gives other bits"),
        (lambda network, batch: record(network, batch, clone=False), "gives other bits"),
        (lambda network, batch: lambda _: network.inner(batch), "gives other bits"),
    ],
    ids=["rounds otherwise", "its result does not outlive the next", "does not look at what it is given"],
)
def test_a_recording_that_gives_other_bits_is_not(recording: Callable[..., Replay], reason: str) -> None:
    network = Network()
    graphs = prepared(network, recording)

    assert reason in graphs.notes[0]
    assert torch.equal(graphs(picture(0.3)), network.inner(picture(0.3)))


def test_a_slower_recording_is_not_used() -> None:
    graphs = prepared(Network(), lambda network, batch: record(network, batch, seconds=1.01))

    assert graphs.notes == (
        "network at 1×3×16×24: called directly, a recording is slower (1010.00 ms a replay, 1000.00 ms a call)",
    )


def test_what_cannot_be_recorded_is_called_and_the_reason_is_kept_on_one_line() -> None:
    def fail(_network: nn.Module, _batch: Tensor) -> Replay:
        raise RuntimeError("not permitted when stream is capturing\nmany lines of advice")

    graphs = prepared(Network(), fail)

    assert graphs.notes == (
        "network at 1×3×16×24: called directly, it cannot be recorded (not permitted when stream is capturing)",
    )


def test_a_network_whose_bits_change_is_told_of() -> None:
    class Restless(Network):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + self.calls

    assert "ITS BITS CHANGE" in prepared(Restless()).notes[0]


@torch.inference_mode()
def test_other_shapes_and_formats_and_forgotten_ones_go_to_the_network_itself() -> None:
    network = Network()
    graphs, calls = prepared(network), network.calls

    graphs(torch.rand(1, 3, 24, 16).contiguous(memory_format=torch.channels_last))
    graphs(picture(0.2).contiguous())
    assert network.calls == calls + 2

    graphs.forget()
    graphs(picture(0.2))
    assert network.calls == calls + 3


def test_shapes_are_bounded_and_each_is_decided_on_once() -> None:
    graphs = CudaGraphs(Network(), record=record)
    shapes = [torch.Size((1, 3, 4, 4 + each)) for each in range(MOST_SHAPES + 3)]

    graphs.prepare([shape for shape in shapes for _ in range(2)], CPU)

    assert len(graphs.notes) == MOST_SHAPES

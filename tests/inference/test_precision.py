"""In which precision a network is run, and that having instructions for one is no reason to use it."""

import math

import pytest
import torch

from sr_core.errors import InputError
from sr_core.inference.gains import bf16_gain
from sr_core.inference.precision import choose_precision
from sr_core.types import Settings


def test_a_precision_that_was_asked_for_is_kept() -> None:
    assert choose_precision(Settings(precision="fp32"), "cuda") == "fp32"
    assert choose_precision(Settings(precision="bf16"), "cpu") == "bf16"
    assert choose_precision(Settings(), "cuda") == "fp16"


@pytest.mark.parametrize(
    ("computes", "gain", "chosen"),
    [
        (True, 2.0, "bf16"),  # Zen 4; with AMX it is more
        (True, 0.5, "fp32"),  # a Xeon that multiplies bf16 at half of fp32's rate
        (True, 1.1, "fp32"),  # what little it gains is not worth its rounding
        (False, 2.0, "fp32"),
    ],
)
def test_a_cpu_gets_bf16_if_it_has_it_and_is_faster_with_it(
    computes: bool, gain: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sr_core.inference.precision.computes_bf16", lambda _device: computes)
    monkeypatch.setattr("sr_core.inference.precision.bf16_gain", lambda: gain)

    assert choose_precision(Settings(), "cpu") == chosen
    assert choose_precision(Settings(), "cpu", safe=("fp32",)) == "fp32"


def test_the_gain_is_of_processor_time_and_leaves_the_threads_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a clock by which every convolution in bf16 takes a third of one in fp32
    calls: list[torch.dtype] = []
    convolve, now = torch.nn.functional.conv2d, [0.0]

    def convolved(pixels: torch.Tensor, weights: torch.Tensor, *, padding: int) -> torch.Tensor:
        assert torch.get_num_threads() == 1
        calls.append(pixels.dtype)
        now[0] += 3.0 if pixels.dtype == torch.float32 else 1.0
        return convolve(pixels, weights, padding=padding)

    threads = torch.get_num_threads()
    with monkeypatch.context() as patched:
        patched.setattr("sr_core.inference.gains.F.conv2d", convolved)
        patched.setattr("sr_core.inference.gains.time.thread_time", lambda: now[0])
        gain = bf16_gain.__wrapped__()

    # Then that is the gain, both had as many turns, and here, too, it is a number
    assert gain == 3.0
    assert calls[::2] == [torch.float32] * (len(calls) // 2)
    assert calls[1::2] == [torch.bfloat16] * (len(calls) // 2)
    assert torch.get_num_threads() == threads
    assert math.isfinite(bf16_gain())


def test_bf16_is_refused_on_a_gpu_that_would_emulate_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "Tesla T4")
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: (7, 5))

    with pytest.raises(InputError, match="Tesla T4 does not compute in bf16; use --precision fp16"):
        choose_precision(Settings(precision="bf16"), "cuda")

    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: (8, 6))
    assert choose_precision(Settings(precision="bf16"), "cuda") == "bf16"


def test_a_precision_in_which_a_network_is_wrong_is_neither_chosen_nor_accepted() -> None:
    assert choose_precision(Settings(), "cuda", safe=("fp32", "bf16")) == "fp32"
    with pytest.raises(InputError, match=r"wrong in fp16; choose one of fp32, bf16"):
        choose_precision(Settings(precision="fp16"), "cuda", safe=("fp32", "bf16"))

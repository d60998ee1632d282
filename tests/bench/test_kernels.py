"""The table of kernels, with stand-ins for the GPU: that every line is measured of what it says."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from bench import kernels
from sr_core.inference.fused_planes import NAME, FusedPlanes, meaning, subsampling
from sr_core.inference.fused_planes import source as planes_source
from sr_core.inference.layer_kernels import Layer
from tests.inference.emulated import built, built_alone, needs_compiler


def test_a_line_says_what_a_second_holds() -> None:
    text = kernels.line("inner layer", 4, 0.001, flops=2e11, moved_bytes=3e9, peak_flops=4e14)

    assert text.split() == ["inner", "layer", "4", "1.000", "200.0", "50.0%", "3000"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_machine_without_a_gpu_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert kernels.main([]) == 64
    assert capsys.readouterr().err.startswith("no CUDA device is available here")


class OnCpu:
    """Stands for a kernel that was loaded."""

    def __init__(self, layer: Layer) -> None:
        others = [Layer("fp16", *each, layer.rows) for each in ((16, 64), (64, 64))]
        self._kernel = built([*others, Layer("fp16", 64, 48, layer.rows, scale=4)])[layer.name]

    def divide_memory(self, *, threads: int, shared_bytes: int) -> None: ...

    def __call__(self, arguments: Any, **how: Any) -> None:
        self._kernel(arguments, **how)


@needs_compiler
def test_all_kernels_of_a_network_are_called_as_they_want_to_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given a CPU in place of a GPU, a small frame, and a clock by which every call takes a millisecond
    made: list[Layer] = []
    plain = {name: getattr(torch, name) for name in ("rand", "empty")}

    def compiled(_source: str, *, architecture: str) -> bytes:
        assert architecture == "sm_75"
        return b"ELF"

    def sourced(layers: list[Layer]) -> str:
        made.extend(layers)
        return ""

    def timed(call: Callable[[], object]) -> float:
        call()
        return 0.001

    for name, function in plain.items():
        monkeypatch.setattr(f"torch.{name}", lambda *size, _made=function, device="cpu", **more: _made(*size, **more))
    monkeypatch.setattr("torch.Tensor.cuda", lambda tensor: tensor)
    monkeypatch.setattr("torch.nn.Module.cuda", lambda module: module)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: (7, 5))
    monkeypatch.setattr(kernels, "compile_cuda", compiled)
    monkeypatch.setattr(kernels, "source", sourced)
    monkeypatch.setattr(kernels, "load", lambda _binary, names: {names[0]: OnCpu(made[-1])})
    monkeypatch.setattr(kernels, "gpu_seconds", timed)
    monkeypatch.setattr(kernels, "SIZE_PX", (9, 17))

    def fused(output: Any, _device: object) -> FusedPlanes:
        kind = subsampling(output)
        assert kind is not None
        return FusedPlanes(kind, meaning(output), built_alone(planes_source(kind), NAME))

    monkeypatch.setattr(kernels, "fuse_planes", fused)

    kernels.measure("fp16", 1e12)
    kernels.measure_planes(1e12)

    lines = capsys.readouterr().out.splitlines()
    assert [(each.inputs, each.outputs, each.rows, each.scale) for each in made] == [
        (16, 64, 2, 0),
        (16, 64, 4, 0),
        (64, 64, 2, 0),
        (64, 64, 4, 0),
        (64, 48, 2, 4),
        (64, 48, 4, 4),
    ]
    assert len(lines) == 11
    # 2 · 9 · 64 · 64 operations a pixel, in a millisecond
    assert float(lines[3].split()[-3]) == pytest.approx(2 * 9 * 64 * 64 * 9 * 17 / 0.001 / 1e12, abs=0.05)
    assert "fused *" in lines[0]

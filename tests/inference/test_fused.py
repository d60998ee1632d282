"""Networks whose layers are one kernel each: what they give, when they are refused, and how an engine runs them."""

import ctypes
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from sr_core.errors import InputError
from sr_core.inference import cuda_driver, nvrtc
from sr_core.inference.device import fingerprint
from sr_core.inference.engine import Engine
from sr_core.inference.fused import FusedCompact, check_fused, fuse
from sr_core.inference.layer_kernels import HalfPrecision, Layer, source_digest
from sr_core.models.compact import Compact
from sr_core.planning import make_plan
from sr_core.types import Execution, Precision, Settings
from tests import builders
from tests.inference.emulated import Emulated, built, needs_compiler

CPU = torch.device("cpu")


def network(features: int = 24, *, scale: int = 2, activation: str = "prelu") -> Compact:
    torch.manual_seed(4)
    made = Compact(scale=scale, feature_count=features, conv_count=1, activation=activation)
    for layer in made.body:
        if isinstance(layer, nn.PReLU):
            nn.init.uniform_(layer.weight, -0.3, 0.3)
    return made.eval().requires_grad_(requires_grad=False)


def fused(
    made: Compact, precision: HalfPrecision = "fp16", *, rows: int = 2, change: tuple[str, str] | None = None
) -> FusedCompact:
    """With kernels that run on a CPU."""
    return FusedCompact(made, precision, rows=rows, device=CPU, build=partial(built, change=change))


def picture(count: int = 1, *, height: int = 21, width: int = 18) -> torch.Tensor:
    return torch.rand((count, 3, height, width), generator=torch.Generator().manual_seed(2))


def engine(made: nn.Module, *, tile_px: int | None = None, precision: Precision = "fp16") -> Engine:
    execution = Execution(
        device="cpu", precision=precision, tile_px=tile_px, halo_px=3, batch_frames=1, kernels="fused"
    )
    return Engine(made, execution, scale=2)


@needs_compiler
@pytest.mark.parametrize(
    ("features", "scale", "activation"),
    [(64, 4, "prelu"), (48, 2, "prelu"), (24, 3, "relu"), (16, 2, "leakyrelu")],
    ids=["usual", "48 features", "features and outputs that fill no sixteen, ReLU", "leaky ReLU"],
)
@torch.inference_mode()
def test_a_fused_network_is_the_network_but_for_rounding(features: int, scale: int, activation: str) -> None:
    made = network(features, scale=scale, activation=activation)

    result = fused(made)(picture(2))

    assert result.dtype == torch.float32
    assert result.is_contiguous()
    assert float((result - made(picture(2))).abs().max()) < 1e-3


@needs_compiler
@torch.inference_mode()
def test_it_is_nearer_to_fp32_than_layers_that_round_three_times() -> None:
    made, given = network(48), picture(height=40)
    exact, usual = made(given), network(48).to(torch.bfloat16)(given)

    error = (fused(made, "bf16")(given) - exact).square().mean()

    assert error < (usual - exact).square().mean()


@needs_compiler
def test_an_engine_gives_the_same_bits_in_tiles_and_computes_in_fp32_what_overflows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sr_core.inference.engine.fuse", lambda made, precision, _device: fused(made, precision))
    made = network()
    whole = engine(made).upscale_rgb(picture(height=40, width=50))

    assert torch.equal(engine(made, tile_px=32).upscale_rgb(picture(height=40, width=50)), whole)

    # Given weights whose result fp16 cannot hold
    first, last = made.body[0], made.body[-1]
    assert isinstance(first, nn.Conv2d)
    assert isinstance(last, nn.Conv2d)
    first.weight *= 1e6
    last.weight *= 1e-6
    upscaled = engine(made).upscale_whole(picture())
    assert upscaled.is_redone
    assert torch.allclose(upscaled.rgb, made(picture()), atol=1e-5)


@needs_compiler
def test_kernels_that_are_wrong_on_a_device_are_found_out_before_they_are_used() -> None:
    made = network(16)
    check_fused(fused(made), made, "fp16", CPU)

    # Given a kernel that looks at the wrong neighbours
    wrong = fused(made, change=("tap / 3 * Sizes::SEEN_COLUMNS + tap % 3", "tap % 3 * Sizes::SEEN_COLUMNS + tap / 3"))
    with pytest.raises(InputError, match=r"wrong on this device: off by .* codes.*--kernels torch"):
        check_fused(wrong, made, "fp16", CPU)

    # Given one that gives no number
    wrong = fused(made, change=("value_0 > 0 ? value_0", "value_0 > 0 ? value_0 / 0.0f * 0"))
    with pytest.raises(InputError, match="off by nan codes"):
        check_fused(wrong, made, "fp16", CPU)


def test_a_network_of_more_channels_than_kernels_are_made_for_is_refused() -> None:
    with pytest.raises(InputError, match="at most 64 channels, and this network has 72"):
        fused(network(72))
    with pytest.raises(InputError, match="at most 64 channels, and this network has 75"):
        fused(network(24, scale=5))


@pytest.mark.parametrize(
    ("capability", "precision", "message"),
    [
        ((7, 0), "fp16", "in fp16 need a GPU of compute capability 7.5, and this one has 7.0"),
        ((7, 5), "bf16", "in bf16 need a GPU of compute capability 8.0, and this one has 7.5"),
        ((8, 6), "fp32", "for compact networks in fp16 or bf16"),
    ],
)
def test_a_gpu_or_precision_that_cannot_is_refused(
    capability: tuple[int, int], precision: Precision, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _device: capability)

    with pytest.raises(InputError, match=message):
        fuse(network(), precision, CPU)


def test_other_architectures_are_refused() -> None:
    with pytest.raises(InputError, match="for compact networks"):
        fuse(nn.Identity(), "fp16", CPU)


@pytest.mark.parametrize("problem", [nvrtc.NoCompiler("it is not here"), nvrtc.CompilationFailed("line 1\nline 2")])
def test_a_machine_that_cannot_compile_is_told_what_to_do(problem: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_source: str, *, architecture: str) -> bytes:
        assert architecture == "sm_86"
        raise problem

    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _device: (8, 6))
    monkeypatch.setattr("sr_core.inference.nvrtc.compile_cuda", fail)

    with pytest.raises(InputError, match=r"cannot be compiled here \((it is not here|line 1)\); plan the job with"):
        fuse(network(), "fp16", CPU)


class Driver:
    """Stands for the driver's library: launches run on the CPU."""

    def __init__(self, kernels: Mapping[str, Emulated]) -> None:
        self.kernels, self.names = kernels, list(kernels)
        self.streams: list[int | None] = []
        self.registers, self.percents = 168, list[int]()

    def cuModuleLoadData(self, module: Any, binary: bytes) -> int:  # noqa: N802 - the library's name
        module._obj.value = len(binary)
        return 0

    def cuModuleGetFunction(self, function: Any, module: ctypes.c_void_p, name: bytes) -> int:  # noqa: N802
        assert module.value == 3
        if name.decode() not in self.names:
            return 500
        function._obj.value = self.names.index(name.decode()) + 1
        return 0

    def cuCtxGetCurrent(self, context: Any) -> int:  # noqa: N802
        context._obj.value = 77
        return 0

    def cuCtxSetCurrent(self, context: ctypes.c_void_p) -> int:  # noqa: N802
        return 0 if context.value == 77 else 201

    def cuLaunchKernel(self, function: ctypes.c_void_p, *given: Any) -> int:  # noqa: N802
        *grid, threads, one, other_one, shared_bytes, stream, places, extra = given
        assert (one, other_one, extra) == (1, 1, None)
        self.streams.append(stream.value)
        addresses = [ctypes.c_void_p.from_address(places[index]) for index in range(5)]
        sizes = [ctypes.c_int.from_address(places[index]) for index in (5, 6)]
        assert function.value is not None
        kernel = self.kernels[self.names[function.value - 1]]
        kernel.run([*addresses, *sizes], grid=grid, threads=threads, shared_bytes=shared_bytes)
        return 0

    def cuFuncGetAttribute(self, value: Any, attribute: int, _function: ctypes.c_void_p) -> int:  # noqa: N802
        assert attribute == 4
        value._obj.value = self.registers
        return 0

    def cuFuncSetAttribute(self, _function: ctypes.c_void_p, attribute: int, value: int) -> int:  # noqa: N802
        assert attribute == 9
        self.percents.append(value)
        return 1  # of a hint that is not taken nothing depends

    def cuGetErrorString(self, _result: int, message: Any) -> int:  # noqa: N802
        message._obj.value = b"named symbol not found"
        return 0


class Stream:
    cuda_stream = 1234


class H100:
    shared_memory_per_multiprocessor = 228 * 1024


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    kinds = [Layer("fp16", 16, 32, 2), Layer("fp16", 32, 32, 2), Layer("fp16", 32, 16, 2, scale=2)]
    stand_in = Driver(built(kinds))
    monkeypatch.setattr("sr_core.inference.cuda_driver._driver", lambda: stand_in)
    monkeypatch.setattr("torch.cuda.synchronize", lambda: None)
    monkeypatch.setattr("torch.cuda.current_stream", Stream)
    monkeypatch.setattr("torch.cuda.get_device_properties", H100)
    return stand_in


@needs_compiler
def test_kernels_are_compiled_for_the_gpu_and_launched_by_the_driver(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _device: (7, 5))
    monkeypatch.setattr("sr_core.inference.nvrtc.compile_cuda", lambda _source, *, architecture: b"ELF")

    made = fuse(network(), "fp16", CPU)

    assert torch.equal(made(picture()), fused(network())(picture()))
    assert set(driver.streams) == {1234}


@needs_compiler
@pytest.mark.parametrize(("registers", "percent"), [(168, 62), (80, 100)], ids=["three blocks", "six"])
def test_what_shared_memory_is_not_needed_for_is_left_to_the_cache(
    driver: Driver, registers: int, percent: int
) -> None:
    driver.registers = registers

    cuda_driver.load(b"ELF", ["layer_32_32"])["layer_32_32"].divide_memory(threads=128, shared_bytes=46656)

    assert driver.percents == [percent]


@needs_compiler
def test_what_the_driver_refuses_is_told_in_torchs_words(driver: Driver) -> None:
    with pytest.raises(RuntimeError, match=r"^CUDA error: named symbol not found$"):
        cuda_driver.load(b"ELF", ["layer_48_48"])


@pytest.mark.parametrize(
    ("settings", "changes", "message"),
    [
        ({"device": "cpu"}, {}, "fused layers need a GPU"),
        ({"device": "cuda", "precision": "fp32"}, {}, "compute in fp16 or bf16, not in fp32"),
        ({"device": "cuda"}, {"precisions": ("fp32",)}, "compute in fp16 or bf16, not in fp32"),
        ({"device": "cuda"}, {"architecture": "SPAN"}, "no compact network, so its layers cannot be fused"),
    ],
)
def test_a_plan_refuses_what_cannot_be_fused(settings: dict[str, str], changes: dict[str, Any], message: str) -> None:
    asked = Settings.model_validate({**settings, "kernels": "fused"})

    with pytest.raises(InputError, match=f"{message}.*; leave out --kernels"):
        make_plan(builders.request(asked), builders.model(**changes), builders.video())


def test_a_plan_keeps_what_was_asked_for_and_the_fingerprint_names_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr_core.inference.device.device_name", lambda _device: "Tesla T4")
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: (7, 5))
    monkeypatch.setattr("sr_core.inference.nvrtc.version", lambda: "13.0")

    usual, asked = (
        make_plan(builders.request(Settings(device="cuda", kernels=each)), builders.model(), builders.video()).execution
        for each in ("torch", "fused")
    )

    assert (usual.kernels, asked.kernels) == ("torch", "fused")
    names = dict(fingerprint(asked, tile_px=None))
    assert names.pop("kernels") == f"fused {source_digest()[:12]}"
    assert names.pop("nvrtc") == "13.0"
    assert names == dict(fingerprint(usual, tile_px=None))

"""Kernels compiled for every kind of GPU that may run them: what they give, run on a CPU, and what they take up."""

import re

import pytest
import torch
from torch import Tensor

from sr_core.inference.fused import FusedCompact
from sr_core.inference.layer_kernels import THREADS, Capability, HalfPrecision, Layer, padded, rows_for, source
from sr_core.inference.nvrtc import compile_and_log, compile_cuda
from sr_core.models.catalogue import describe_shipped
from sr_core.models.compact import Compact
from sr_core.models.loading import load
from tests.inference import ptx
from tests.inference.layers import Given, GivenLast, needs_nvrtc
from tests.inference.ptx_program import Program

REGISTERS = 65536
"""Of a GPU's processor."""
pytestmark = needs_nvrtc


def compiled(layer: Layer, capability: Capability) -> str:
    """PTX."""
    return compile_cuda(source([layer]), architecture="compute_{}{}".format(*capability)).decode().rstrip("\0")


class Interpreted:
    """Stands for a kernel on a GPU."""

    def __init__(self, layer: Layer, capability: Capability) -> None:
        self._program = Program(compiled(layer, capability), layer.name)

    def __call__(
        self, arguments: tuple[Tensor | int, ...], *, grid: tuple[int, int, int], threads: int, shared_bytes: int
    ) -> None:
        ptx.run(self._program, arguments, grid=grid, threads=threads, shared_bytes=shared_bytes)


def layers(precision: HalfPrecision, capability: Capability) -> list[Layer]:
    """Of the usual network, the largest there are."""
    rows = rows_for(capability)
    return [Layer(precision, 16, 64, rows), Layer(precision, 64, 64, rows), Layer(precision, 64, 48, rows, scale=4)]


@pytest.mark.parametrize(
    ("capability", "precision"),
    [((7, 5), "fp16"), ((8, 0), "bf16"), ((8, 6), "fp16"), ((8, 9), "bf16"), ((9, 0), "fp16"), ((9, 0), "bf16")],
    ids=["T4", "A100", "A10G", "L4", "H100, fp16", "H100, bf16"],
)
def test_kernels_keep_their_sums_in_registers_and_two_blocks_at_once_find_room(
    capability: Capability, precision: HalfPrecision
) -> None:
    given = layers(precision, capability)
    architecture = "sm_{}{}".format(*capability)

    binary, log = compile_and_log(source(given), architecture=architecture, options=("--ptxas-options=-v",))

    assert binary[:4] == b"\x7fELF"
    assert re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+)", log) == [("0", "0", "0")] * 3
    registers = [int(each) for each in re.findall(r"Used (\d+) registers", log)]
    assert len(registers) == 3
    assert 2 * THREADS * max(registers) <= REGISTERS


@pytest.mark.parametrize(
    ("capability", "precision", "multiplication", "for_each_step"),
    [
        ((7, 5), "fp16", "m16n8k8.row.col.f32.f16.f16.f32", 2),
        ((8, 6), "bf16", "m16n8k16.row.col.f32.bf16.bf16.f32", 1),
        ((9, 0), "fp16", "m16n8k16.row.col.f32.f16.f16.f32", 1),
    ],
    ids=["T4", "A10G", "H100"],
)
def test_all_products_are_the_tensor_cores(
    capability: Capability, precision: HalfPrecision, multiplication: str, for_each_step: int
) -> None:
    (_, inner, _) = layers(precision, capability)

    text = compiled(inner, capability)

    multiplied = text.count(f"mma.sync.aligned.{multiplication}")
    assert multiplied == for_each_step * inner.rows * inner.inputs // 16 * inner.outputs // 8
    assert "fma.rn.f32" not in text
    # Copies need no registers where there is an instruction for them.
    assert ("cp.async" in text) == (capability >= (8, 0))


@pytest.mark.parametrize("channels", [(16, 64), (64, 64), (48, 48), (32, 32)])
@pytest.mark.parametrize(
    ("capability", "precision"),
    [((7, 5), "fp16"), ((8, 6), "bf16"), ((9, 0), "fp16")],
    ids=["T4", "A10G, bf16", "H100, fp16"],
)
def test_compiled_code_gives_torchs_convolution_bias_and_activation(
    capability: Capability, precision: HalfPrecision, channels: tuple[int, int]
) -> None:
    layer = Layer(precision, *channels, rows_for(capability))
    given = Given(layer, 1, 9, 17)

    assert given.is_right(given.computed_by(Interpreted(layer, capability)))


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("capability", [(7, 5), (9, 0)], ids=["T4", "H100"])
def test_compiled_code_of_the_last_layer_gives_the_enlarged_picture(capability: Capability, scale: int) -> None:
    layer = Layer("fp16", 32, padded(3 * scale * scale), rows_for(capability), scale)
    given = GivenLast(layer, 2, 9, 17)

    assert given.is_right(given.computed_by(Interpreted(layer, capability)))


@torch.inference_mode()
def test_a_network_by_compiled_code_is_the_network_but_for_rounding() -> None:
    # Given a network that ships, with its own weights, and a T4
    network = load(describe_shipped("compact-x2"))
    assert isinstance(network, Compact)
    picture = torch.rand((1, 3, 11, 18), generator=torch.Generator().manual_seed(6))

    def build(kinds: list[Layer]) -> dict[str, Interpreted]:
        return {each.name: Interpreted(each, (7, 5)) for each in kinds}

    fused = FusedCompact(network, "fp16", rows=rows_for((7, 5)), device=torch.device("cpu"), build=build)

    assert float((fused(picture) - network(picture)).abs().max()) < 2e-3


@pytest.mark.parametrize("capability", [(7, 5), (8, 0)], ids=["T4", "A100"])
def test_compiled_code_keeps_pictures_apart(capability: Capability) -> None:
    layer = Layer("fp16", 16, 16, rows_for(capability))
    given = Given(layer, 2, 3, 20)

    assert given.is_right(given.computed_by(Interpreted(layer, capability)))

"""Kernels compiled for every kind of GPU that may run them: they use tensor cores, and fit into registers."""

import re
from functools import cache

import pytest

from sr_core.inference import nvrtc
from sr_core.inference.layer_kernels import THREADS, Capability, HalfPrecision, Layer, rows_for, source
from sr_core.inference.nvrtc import CompilationFailed, NoCompiler, compile_and_log, compile_cuda

REGISTERS = 65536
"""Of a GPU's processor."""


@cache
def compiler() -> str | None:
    try:
        return nvrtc.version()
    except NoCompiler:
        return None


needs_nvrtc = pytest.mark.skipif(compiler() is None, reason="needs NVRTC: pip install nvidia-cuda-nvrtc")


def layers(precision: HalfPrecision, capability: Capability) -> list[Layer]:
    """Of the usual network, the largest there are."""
    return [Layer(precision, *each, rows_for(capability)) for each in ((16, 64), (64, 64), (64, 48))]


@needs_nvrtc
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


@needs_nvrtc
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

    text = compile_cuda(source([inner]), architecture="compute_{}{}".format(*capability)).decode()

    multiplied = text.count(f"mma.sync.aligned.{multiplication}")
    assert multiplied == for_each_step * inner.rows * inner.inputs // 16 * inner.outputs // 8
    assert "fma.rn.f32" not in text
    # Copies need no registers where there is an instruction for them.
    assert ("cp.async" in text) == (capability >= (8, 0))


@needs_nvrtc
def test_a_source_that_is_wrong_is_told_by_the_compiler() -> None:
    with pytest.raises(CompilationFailed, match='identifier "nonsense" is undefined'):
        compile_cuda('extern "C" __global__ void kernel() { nonsense; }', architecture="sm_75")
    with pytest.raises(CompilationFailed, match="invalid value for --gpu-architecture"):
        compile_cuda("", architecture="sm_13")
    with pytest.raises(CompilationFailed, match="no bf16 before"):
        compile_cuda(source(layers("bf16", (7, 5))), architecture="sm_75")


def test_a_machine_without_the_compiler_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr_core.inference.nvrtc._NAMES", ("libnone.so.1",))
    nvrtc._library.cache_clear()
    try:
        with pytest.raises(NoCompiler, match=r"NVRTC \(libnvrtc.so\), which torch's CUDA builds bring along"):
            compile_cuda("", architecture="sm_75")
    finally:
        nvrtc._library.cache_clear()

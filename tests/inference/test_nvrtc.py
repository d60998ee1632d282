"""The compiler that torch brings along: what it says of a wrong source, and what is said where it is not."""

import pytest

from sr_core.inference import nvrtc
from sr_core.inference.layer_kernels import Layer, source
from sr_core.inference.nvrtc import CompilationFailed, NoCompiler, compile_cuda
from tests.inference.layers import needs_nvrtc


@needs_nvrtc
def test_a_source_that_is_wrong_is_told_by_the_compiler() -> None:
    with pytest.raises(CompilationFailed, match='identifier "nonsense" is undefined'):
        compile_cuda('extern "C" __global__ void kernel() { nonsense; }', architecture="sm_75")
    with pytest.raises(CompilationFailed, match="invalid value for --gpu-architecture"):
        compile_cuda("", architecture="sm_13")
    with pytest.raises(CompilationFailed, match="no bf16 before"):
        compile_cuda(source([Layer("bf16", 16, 16, 2)]), architecture="sm_75")


def test_a_machine_without_the_compiler_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr_core.inference.nvrtc._NAMES", ("libnone.so.1",))
    nvrtc._library.cache_clear()
    try:
        with pytest.raises(NoCompiler, match=r"NVRTC \(libnvrtc.so\), which torch's CUDA builds bring along"):
            compile_cuda("", architecture="sm_75")
    finally:
        nvrtc._library.cache_clear()

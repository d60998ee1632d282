"""Which of the libraries that setup.py compiles is looked for on which CPU, and what people are told without one."""

import platform
from importlib.machinery import ModuleSpec

import pytest
import torch

from sr_core.inference import own_kernels

from .compiled import widths

MACHINES = [
    ("x86_64", "AVX512", ["avx512", "avx2"]),
    ("x86_64", "AVX2", ["avx2"]),
    ("x86_64", "DEFAULT", []),
    ("aarch64", "DEFAULT", ["neon"]),
    ("arm64", "DEFAULT", ["neon"]),  # macOS
    ("riscv64", "DEFAULT", []),
]


@pytest.mark.parametrize(("machine", "capability", "looked_for"), MACHINES)
def test_what_is_looked_for_on_a_cpu_is_what_is_compiled_for_it(
    machine: str, capability: str, looked_for: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a CPU, and that each library which setup.py knows for it was compiled
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    compiled = {f"sr_core.inference.winograd_{width}": f"/{width}" for width in widths().get(machine, {})}
    monkeypatch.setattr(
        own_kernels,
        "find_spec",
        lambda name: ModuleSpec(name, None, origin=compiled[name]) if name in compiled else None,
    )

    assert [path.name for path in own_kernels.paths()] == looked_for


@pytest.mark.parametrize(
    ("machine", "capability", "said"),
    [
        ("arm64", "DEFAULT", "none compiled: install a C compiler"),
        ("x86_64", "AVX2", "none compiled: install a C compiler"),
        ("x86_64", "DEFAULT", "there are none for this CPU (x86_64)"),
        ("riscv64", "DEFAULT", "there are none for this CPU (riscv64)"),
    ],
)
def test_a_compiler_is_asked_for_only_where_it_would_help(
    machine: str, capability: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(own_kernels, "find_spec", lambda _name: None)

    assert own_kernels.why_none().startswith(said)

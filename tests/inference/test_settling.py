"""What a job leaves open is settled by what this machine gains: precision and kernels, together."""

from typing import Any

import pytest

from sr_core.errors import InputError
from sr_core.inference import gains, settle
from sr_core.types import Kernels, ModelSpec, Precision, Settings
from tests import builders


def network(features: int = 64, inner_count: int = 16, **changes: Any) -> ModelSpec:
    """A compact one of scale 2."""
    macs = 9 * (3 * features + inner_count * features**2 + features * 12)
    return builders.model(scale=2, radius_px=inner_count + 2, macs_per_pixel=macs, **changes)


COMPACT = network()


def cpu(monkeypatch: pytest.MonkeyPatch, *, winograd: float, bf16: float | None = None) -> None:
    """Has a CPU that is so many times as fast by either; without instructions for bf16 if that is None."""
    for module in ("settling", "precision"):
        monkeypatch.setattr(f"sr_core.inference.{module}.computes_bf16", lambda _device: bf16 is not None)
        monkeypatch.setattr(f"sr_core.inference.{module}.bf16_gain", lambda: bf16)
    monkeypatch.setattr("sr_core.inference.settling.winograd_gain", lambda: winograd)
    monkeypatch.setattr("sr_core.inference.winograd.has_own_kernels", lambda: winograd > 0)


@pytest.mark.parametrize(
    ("winograd", "bf16", "chosen"),
    [
        (2.6, None, ("fp32", "winograd")),
        (2.6, 0.5, ("fp32", "winograd")),  # a Xeon that multiplies bf16 at half of fp32's rate
        (2.6, 2.0, ("fp32", "winograd")),
        (2.0, 2.0, ("fp32", "winograd")),  # as fast, and more exact
        (2.0, 2.4, ("fp32", "winograd")),  # so near that the next start might say otherwise
        (2.6, 8.0, ("bf16", "torch")),  # a matrix unit
        (1.2, 2.0, ("bf16", "torch")),
        (1.2, None, ("fp32", "torch")),  # what little it gains is not worth its rounding
        (0.0, None, ("fp32", "torch")),  # none compiled
        (1.2, 1.1, ("fp32", "torch")),
    ],
)
def test_a_cpu_gets_the_fastest_way_that_is_worth_its_rounding(
    winograd: float, bf16: float | None, chosen: tuple[Precision, Kernels], monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu(monkeypatch, winograd=winograd, bf16=bf16)

    settled = settle(Settings(device="cpu"), COMPACT)

    assert (settled.device, settled.precision, settled.kernels) == ("cpu", *chosen)


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        (Settings(precision="bf16"), ("bf16", "torch")),
        (Settings(precision="fp32"), ("fp32", "winograd")),
        (Settings(kernels="torch"), ("bf16", "torch")),
        (Settings(kernels="torch", precision="fp32"), ("fp32", "torch")),
        (Settings(kernels="winograd"), ("fp32", "winograd")),
        (Settings(kernels="winograd", precision="bf16"), ("bf16", "winograd")),  # which planning refuses
    ],
    ids=lambda case: f"{case.precision}-{case.kernels}" if isinstance(case, Settings) else "",
)
def test_what_was_asked_for_is_kept_and_the_rest_is_settled_by_it(
    asked: Settings, chosen: tuple[Precision, Kernels], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a CPU that is fastest in bf16
    cpu(monkeypatch, winograd=2.6, bf16=8.0)

    settled = settle(asked.model_copy(update={"device": "cpu"}), COMPACT)

    assert (settled.precision, settled.kernels) == chosen
    assert settle(settled, COMPACT) == settled


def test_a_network_that_is_wrong_in_bf16_gets_winograds_kernels_where_bf16_were_faster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu(monkeypatch, winograd=2.6, bf16=8.0)

    settled = settle(Settings(device="cpu"), network(precisions=("fp32",)))

    assert (settled.precision, settled.kernels) == ("fp32", "winograd")


@pytest.mark.parametrize(
    ("features", "inner_count", "chosen"),
    [
        (64, 16, "winograd"),
        (32, 6, "winograd"),
        (24, 3, "winograd"),
        (20, 16, "torch"),
        (16, 6, "torch"),
        (8, 1, "torch"),
    ],
)
def test_networks_of_few_features_are_left_to_torch_whatever_is_measured(
    features: int, inner_count: int, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu(monkeypatch, winograd=2.6)

    assert settle(Settings(device="cpu"), network(features, inner_count)).kernels == chosen


def test_kernels_that_were_asked_for_and_are_not_here_are_refused_before_anything_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu(monkeypatch, winograd=0.0)

    with pytest.raises(InputError, match=r"no Winograd's kernels for this CPU .* take --kernels torch"):
        settle(Settings(device="cpu", kernels="winograd"), COMPACT)


def test_another_architecture_and_a_gpu_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu(monkeypatch, winograd=2.6)
    other = network(architecture="ESRGAN")

    assert settle(Settings(device="cpu"), other).kernels == "torch"
    monkeypatch.setattr("sr_core.inference.settling.choose_device", lambda _settings: "cuda")
    settled = settle(Settings(), COMPACT)
    assert (settled.device, settled.precision, settled.kernels) == ("cuda", "fp16", "torch")


def test_nothing_is_gained_by_kernels_that_were_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sr_core.inference.gains.library", lambda: None)

    assert gains.winograd_gain.__wrapped__() == 0

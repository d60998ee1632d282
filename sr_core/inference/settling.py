"""What a job leaves open, settled on the machine that will run it: device, precision, and what computes."""

from math import ceil, sqrt

from sr_core.errors import InputError
from sr_core.inference.device import choose_device
from sr_core.inference.gains import WORTHWHILE_GAIN, bf16_gain, winograd_gain
from sr_core.inference.precision import choose_precision, computes_bf16
from sr_core.inference.winograd import INSTEAD, has_own_kernels
from sr_core.types import COMPACT, Device, Kernels, ModelSpec, Settings


def settle(settings: Settings, model: ModelSpec) -> Settings:
    """The same settings for this machine and that network, with nothing of these left open.

    Raises InputError when a device, a precision or kernels were asked for that cannot be had here.
    """
    device = choose_device(settings)
    kernels = choose_kernels(settings, device, model)
    if kernels == "winograd" and settings.precision == "auto":
        settings = settings.model_copy(update={"precision": "fp32"})
    precision = choose_precision(settings, device, safe=model.precisions)
    return settings.model_copy(update={"device": device, "precision": precision, "kernels": kernels})


def choose_kernels(settings: Settings, device: Device, model: ModelSpec) -> Kernels:
    """What was asked for; on a CPU otherwise Winograd's kernels for compact networks, unless something is faster.

    That is bf16 by as much as is worth its rounding, so that the same machine chooses the same again.
    """
    if settings.kernels == "winograd" and device == "cpu" and not has_own_kernels():
        raise InputError(f"there are no Winograd's kernels for this CPU (see `sr doctor`); {INSTEAD}")
    if settings.kernels != "auto":
        return settings.kernels
    if device == "cuda" or model.architecture != COMPACT or settings.precision not in ("auto", "fp32"):
        return "torch"
    features = _features(model)
    gain = winograd_gain(features)
    may_be_bf16 = settings.precision == "auto" and "bf16" in model.precisions and computes_bf16(device)
    is_bf16_faster = may_be_bf16 and bf16_gain(features) >= WORTHWHILE_GAIN * gain
    return "winograd" if gain >= WORTHWHILE_GAIN and not is_bf16_faster else "torch"


def _features(model: ModelSpec) -> int:
    """Channels of a compact network's inner layers, from the multiplications of all; up to the next multiple of 8."""
    layers = max(1, model.radius_px)
    return 8 * max(1, ceil(sqrt(model.macs_per_pixel / (9 * layers)) / 8))

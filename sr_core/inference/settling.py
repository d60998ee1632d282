"""What a job leaves open, settled on the machine that will run it: device, precision, and what computes."""

from sr_core.inference.device import choose_device
from sr_core.inference.gains import WORTHWHILE_GAIN, bf16_gain, winograd_gain
from sr_core.inference.precision import choose_precision, computes_bf16
from sr_core.types import COMPACT, Device, Kernels, ModelSpec, Settings


def settle(settings: Settings, model: ModelSpec) -> Settings:
    """The same settings for this machine and that network, with nothing of these left open.

    Raises InputError when a device or precision was asked for that cannot be had here.
    """
    device = choose_device(settings)
    kernels = choose_kernels(settings, device, model)
    if kernels == "winograd" and settings.precision == "auto":
        settings = settings.model_copy(update={"precision": "fp32"})
    precision = choose_precision(settings, device, safe=model.precisions)
    return settings.model_copy(update={"device": device, "precision": precision, "kernels": kernels})


def choose_kernels(settings: Settings, device: Device, model: ModelSpec) -> Kernels:
    """What was asked for; on a CPU otherwise Winograd's kernels for compact networks, if nothing is faster."""
    if settings.kernels != "auto":
        return settings.kernels
    if device == "cuda" or model.architecture != COMPACT or settings.precision not in ("auto", "fp32"):
        return "torch"
    may_be_bf16 = settings.precision == "auto" and "bf16" in model.precisions and computes_bf16(device)
    gain = winograd_gain()
    pays = gain >= WORTHWHILE_GAIN and (not may_be_bf16 or gain >= bf16_gain())
    return "winograd" if pays else "torch"

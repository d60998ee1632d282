"""What a job leaves open, settled on the machine that will run it: device, precision, and what computes."""

from sr_core.inference.device import choose_device
from sr_core.inference.gains import WORTHWHILE_GAIN, bf16_gain, winograd_gain
from sr_core.inference.precision import choose_precision, computes_bf16
from sr_core.inference.winograd import check_there_are_kernels
from sr_core.throughput import suits_winograd
from sr_core.types import Device, Kernels, ModelSpec, Settings


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

    That is bf16 if it gains more by as much as is worth its rounding: the same machine is to choose the same again.
    """
    if settings.kernels == "winograd" and device == "cpu":
        check_there_are_kernels()
    if settings.kernels != "auto":
        return settings.kernels
    if device == "cuda" or settings.precision not in ("auto", "fp32"):
        return "torch"
    if not suits_winograd(model):
        return "torch"
    gain = winograd_gain()
    may_be_bf16 = settings.precision == "auto" and "bf16" in model.precisions and computes_bf16(device)
    is_bf16_faster = may_be_bf16 and bf16_gain() >= WORTHWHILE_GAIN * gain
    return "winograd" if gain >= WORTHWHILE_GAIN and not is_bf16_faster else "torch"

"""Networks from weights files: described before any frame is touched, and built again from the same bytes.

Three kinds of files: the compact network's, which is all that ships; a packed network of BasicSR's registry, whose
options are in its metadata; and anything else that spandrel recognises. Only the first needs no extra.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors.torch import save_file
from torch import Tensor, nn

from sr_core.errors import InputError, IntegrityError
from sr_core.models import catalogue, measure
from sr_core.models.checkpoint import read_metadata, read_state
from sr_core.models.compact import from_state, read_tensors
from sr_core.types import COMPACT, ModelSpec, Precision

if TYPE_CHECKING:
    from sr_core.models.published import Recognised


def load(spec: ModelSpec, path: Path | None = None) -> nn.Module:
    """The network that `spec` describes, fp32 on the CPU.

    `path` is its weights file; None for a network that ships with the package.

    Raises:
        InputError: the file is not usable.
        IntegrityError: the file is not the one that the spec was made from.
    """
    file = path if path is not None else catalogue.shipped_file(spec.name)
    if catalogue.file_digest(file) != spec.sha256:
        raise IntegrityError(
            f"the weights of {spec.name} are not those that the job was planned with; "
            "install the same version, or start anew"
        )
    state = read_tensors(read_state(file))
    if spec.architecture == COMPACT:
        return from_state(state)
    found = _recognise(file, state, name=spec.name)
    return measure.Fitted(found.network, scale=found.scale, multiple_px=found.multiple_px, minimum_px=found.minimum_px)


def describe_file(path: Path, *, name: str) -> ModelSpec:
    """What planning needs to know of the network in a file, found out by loading and running it.

    Raises InputError when the file is not usable.
    """
    state = read_state(path)
    digest = catalogue.file_digest(path)
    shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
    if catalogue.are_compact(shapes) and not _is_of_another_activation(path, shapes):
        return catalogue.spec_from_shapes(shapes, name=name, sha256=digest)
    found = _recognise(path, read_tensors(state), name=name)
    network = measure.Fitted(
        found.network, scale=found.scale, multiple_px=found.multiple_px, minimum_px=found.minimum_px
    ).eval()
    if measure.find_scale(network, name=name) != found.scale:
        raise InputError(f"{name}: the network does not upscale by {found.scale}, as its weights say")
    macs = measure.count_macs(network)
    radius = measure.find_radius(network, scale=found.scale, multiple_px=found.multiple_px, macs_per_pixel=macs)
    reduced: tuple[Precision, ...] = measure.find_safe_precisions(network, found.precisions)
    return ModelSpec(
        name=name,
        architecture=found.architecture,
        scale=found.scale,
        radius_px=radius.px,
        radius_is_exact=radius.is_exact,
        multiple_px=found.multiple_px,
        macs_per_pixel=macs,
        parameter_count=sum(parameter.numel() for parameter in network.parameters()),
        precisions=("fp32", *reduced),
        sha256=digest,
    )


def pack_basicsr(options_path: Path, folder: Path) -> Path:
    """Puts the network that a BasicSR option file means into one file in `folder`, named by its content.

    The file is a safetensors one with `network_g` in its metadata, so that it can travel by itself.

    Raises InputError when the options or the weights are not usable, or do not fit one another.
    """
    from sr_core.models import zoo

    network, weights, key = zoo.read_options(options_path)
    state = {name: tensor.contiguous() for name, tensor in read_tensors(read_state(weights, key=key)).items()}
    zoo.build(network, state, name=str(options_path))
    partial = folder / f"{os.getpid()}.partial"
    save_file(state, partial, metadata={zoo.METADATA_KEY: json.dumps(network, sort_keys=True)})
    packed = folder / f"{catalogue.file_digest(partial)}.safetensors"
    partial.replace(packed)
    return packed


def _is_of_another_activation(path: Path, shapes: Mapping[str, Sequence[int]]) -> bool:
    """Whether a packed compact network has an activation that its tensors do not tell from ReLU."""
    from sr_core.models import zoo

    return "body.1.weight" not in shapes and zoo.network_options(read_metadata(path)) is not None


def _recognise(path: Path, state: dict[str, Tensor], *, name: str) -> "Recognised":
    from sr_core.models import published, zoo

    options = zoo.network_options(read_metadata(path))
    if options is None:
        return published.recognise(state, name=name)
    network = zoo.build(options, state, name=name)
    scale = measure.find_scale(network, name=name)
    return published.Recognised(
        network=network,
        architecture=options["type"],
        scale=scale,
        multiple_px=measure.find_multiple_px(network, scale=scale, name=name),
        minimum_px=1,
        precisions=("bf16", "fp16"),
    )

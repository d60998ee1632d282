"""The networks that ship, those that can be had by name, and what a compact network's file says. Imports no torch.

A compact network's sizes are read off the shapes of its tensors, which a safetensors file states in its header: so
planning can know a network's cost without loading it.
"""

import hashlib
import json
import re
import struct
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from sr_core.errors import InputError, IntegrityError
from sr_core.types import COMPACT, Model, ModelSpec

MAX_SCALE = 8
DEFAULT_SCALE = 2
"""Where neither a network nor a scale is asked for."""
_MAX_HEADER_BYTES = 100_000_000


class ShippedModel(Model):
    """A network inside the package."""

    file: str
    scale: int
    kind: Literal["video", "clean"]
    """What it was trained on: pictures as compressed video shows them, or only made smaller."""
    sha256: str
    licence: str
    origin: str
    """Where the weights come from."""
    summary: str


class PublishedModel(Model):
    """A network of others, to be downloaded by `sr models pull`, and what its file holds."""

    url: str
    size_bytes: int
    sha256: str | None
    """None where no source that can be named states it."""
    sha256_source: str | None
    licence: str
    origin: str
    summary: str
    spec: ModelSpec
    """Its `name` is the catalogue's; its `sha256` is empty where that is not known."""

    @property
    def file(self) -> str:
        """The file's name: the last part of its address."""
        return self.url.rpartition("/")[2]


def shipped() -> dict[str, ShippedModel]:
    """Every network that ships, by name, the recommended ones of each scale first."""
    return TypeAdapter(dict[str, ShippedModel]).validate_json(_read("catalogue.json"))


def published() -> dict[str, PublishedModel]:
    """Every network that can be downloaded by its name."""
    return TypeAdapter(dict[str, PublishedModel]).validate_json(_read("published.json"))


def recommended(scale: int | None) -> str:
    """The name of the network that ships for a scale, the first of the catalogue; None: for `DEFAULT_SCALE`.

    Raises InputError when none ships.
    """
    wanted = DEFAULT_SCALE if scale is None else scale
    networks = shipped()
    for name, entry in networks.items():
        if entry.scale == wanted:
            return name
    scales = sorted({entry.scale for entry in networks.values()})
    raise InputError(
        f"no network of scale {wanted} ships; choose --scale {' or '.join(map(str, scales))}, or a network by --model"
    )


def _read(name: str) -> str:
    return (_weights_folder() / name).read_text(encoding="utf-8")


def shipped_file(name: str) -> Path:
    """The weights file of a network that ships, checked against its pinned digest.

    Raises:
        InputError: no network of that name ships.
        IntegrityError: the file is not the one that was shipped.
    """
    networks = shipped()
    if name not in networks:
        raise InputError(
            f"unknown model {name!r}; choose one of {', '.join([*networks, *published()])} "
            "or give the path of a checkpoint"
        )
    path = _weights_folder() / networks[name].file
    if not path.is_file() or file_digest(path) != networks[name].sha256:
        raise IntegrityError(f"the weights of {name} are damaged ({path}); install the package again")
    return path


def describe_shipped(name: str) -> ModelSpec:
    """What planning needs to know of a network that ships. Raises as `shipped_file`."""
    return describe_safetensors(shipped_file(name), name=name)


def describe_safetensors(path: Path, *, name: str) -> ModelSpec:
    """What planning needs to know of the network in a safetensors file. Raises InputError when it is not usable."""
    return spec_from_shapes(safetensors_shapes(path), name=name, sha256=file_digest(path))


def safetensors_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes by tensor name, from the header alone. Raises InputError when the header or the length is wrong."""
    return _safetensors_header(path)[0]


def is_plain_compact(path: Path) -> bool:
    """Whether a safetensors file's header says all that there is to know: compact tensors, and no packed options.

    Raises InputError when the header or the length is wrong.
    """
    shapes, metadata = _safetensors_header(path)
    return are_compact(shapes) and ("body.1.weight" in shapes or not metadata)


def _safetensors_header(path: Path) -> tuple[dict[str, tuple[int, ...]], dict[str, str]]:
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _MAX_HEADER_BYTES:
                raise ValueError("the header is too long")
            header = json.loads(file.read(length))
        metadata = header.pop("__metadata__", {})
        end = max(entry["data_offsets"][1] for entry in header.values())
        if path.stat().st_size != 8 + length + end:
            raise ValueError("the file is cut short")
        return {key: tuple(int(side) for side in entry["shape"]) for key, entry in header.items()}, metadata
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise InputError(f"{path} is not a usable safetensors file ({error}); get it again") from error


def spec_from_shapes(shapes: Mapping[str, Sequence[int]], *, name: str, sha256: str) -> ModelSpec:
    """Recognises the compact architecture by its tensors. Raises InputError for any other."""
    convolutions = {
        int(key.split(".")[1]): tuple(shape) for key, shape in shapes.items() if _is_convolution(key, shape)
    }
    numbers = sorted(convolutions)
    if len(numbers) < 2 or any(not key.startswith("body.") for key in shapes):
        raise InputError(
            f"{name}: these are not the weights of a compact network (tensors body.0.weight …); "
            "choose another file, or a network of `sr models`"
        )
    first, last = convolutions[numbers[0]], convolutions[numbers[-1]]
    scale = round((last[0] / 3) ** 0.5)
    missing = [
        f"body.{number}.{part}"
        for number in range(numbers[-1] + 1)
        for part in (("weight", "bias") if number in convolutions else ())
        if f"body.{number}.{part}" not in shapes
    ]
    if missing:
        raise InputError(f"{name}: the weights are incomplete ({', '.join(missing[:3])} missing); get them again")
    found = {key: tuple(shape) for key, shape in shapes.items()}
    if not 1 <= scale <= MAX_SCALE or found not in _compact_shapes(first[0], len(numbers), scale):
        raise InputError(
            f"{name}: the tensors do not fit together as a compact network for RGB of a scale up to {MAX_SCALE}; "
            "choose another file, or a network of `sr models`"
        )
    return ModelSpec(
        name=name,
        architecture=COMPACT,
        scale=scale,
        radius_px=len(numbers),
        macs_per_pixel=sum(shape[0] * shape[1] * shape[2] * shape[3] for shape in convolutions.values()),
        parameter_count=sum(_product(shape) for shape in shapes.values()),
        sha256=sha256,
    )


def are_compact(shapes: Mapping[str, Sequence[int]]) -> bool:
    """Whether tensors have a compact network's names: all ``body.N.…``. They may still be incomplete."""
    return bool(shapes) and all(re.fullmatch(r"body\.\d+\.(weight|bias)", name) for name in shapes)


def _compact_shapes(features: int, convolution_count: int, scale: int) -> list[dict[str, tuple[int, ...]]]:
    """Shapes by name of a compact network without slopes (ReLU) and with them (PReLU, after all but the last)."""
    inner = [(features, features)] * (convolution_count - 2)
    plain: dict[str, tuple[int, ...]] = {}
    for index, size in enumerate([(features, 3), *inner, (3 * scale * scale, features)]):
        plain |= {f"body.{2 * index}.weight": (*size, 3, 3), f"body.{2 * index}.bias": size[:1]}
    return [plain, plain | {f"body.{2 * index + 1}.weight": (features,) for index in range(convolution_count - 1)}]


def is_safetensors(path: Path) -> bool:
    """By content: a safetensors file begins with the length of a JSON object."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def file_digest(path: Path) -> str:
    """sha256 (hex) of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_convolution(key: str, shape: Sequence[int]) -> bool:
    parts = key.split(".")
    return len(parts) == 3 and parts[1].isdigit() and parts[2] == "weight" and len(shape) == 4


def _product(shape: Sequence[int]) -> int:
    result = 1
    for side in shape:
        result *= side
    return result


def _weights_folder() -> Path:
    return Path(str(resources.files("sr_core.models"))) / "weights"

"""What a process that reads untrusted media may tell the one that started it: a closed set of inert values.

Whoever takes over a decoder can send whatever bytes they like. So nothing is unpickled: a message is JSON that can name
only the types below, and samples as plain bytes. Models are validated, sizes are checked before memory is taken.

A message is a header (length of the JSON, length of the bytes), the JSON, the bytes.
"""

import json
import struct
from array import array
from collections.abc import Callable, Sequence
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np

from sr_core import errors
from sr_core.errors import SrError
from sr_core.timestamps import FrameTable
from sr_core.types import Model
from sr_core.video.cut import CutChunk
from sr_core.video.formats import HANDLED
from sr_core.video.frames import Plane, Planes
from sr_core.video.scan import PacketIndex, Scan

HEADER = struct.Struct("<IQ")
_MAX_JSON_BYTES = 256 << 20
_MAX_BODY_BYTES = 4 << 30

_NUMBERS = "bBhHiIlLqQfd"

Buffer = Any
"""Whatever gives a contiguous memoryview."""

_RECORDS = {kind.__name__: kind for kind in (FrameTable, PacketIndex, Scan, CutChunk)}
_ERRORS = {
    kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SrError)
}


class UntrustworthyMessageError(Exception):
    """The other side sent what no reader of ours sends."""


def encode(value: object) -> tuple[bytes, list[memoryview]]:
    """The bytes before the body, and the body's parts. Raises TypeError for a value that may not cross."""
    parts: list[memoryview] = []
    text = json.dumps(_describe(value, parts), separators=(",", ":")).encode()
    return HEADER.pack(len(text), sum(part.nbytes for part in parts)) + text, parts


def sizes(header: Buffer) -> tuple[int, int]:
    """Lengths in bytes of the JSON and of the body. Raises UntrustworthyMessageError when they are absurd."""
    text_bytes, body_bytes = HEADER.unpack(header)
    if text_bytes > _MAX_JSON_BYTES or body_bytes > _MAX_BODY_BYTES:
        raise UntrustworthyMessageError(f"a message of {text_bytes} + {body_bytes} bytes")
    return text_bytes, body_bytes


def decode(text: Buffer, body: memoryview) -> Any:
    """The value; planes are views of `body`. Raises UntrustworthyMessageError when it is none of the known ones."""
    try:
        return _Reader(body).value(json.loads(bytes(text)))
    except UntrustworthyMessageError:
        raise
    except Exception as error:  # whatever is wrong with it, it is not ours
        raise UntrustworthyMessageError(type(error).__name__) from error


def _describe(value: object, parts: list[memoryview]) -> object:
    """JSON for `value`: plain values as they are, everything else as an object with one key, its kind."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_describe(item, parts) for item in value]}
    if isinstance(value, Fraction):
        return {"fraction": str(value)}
    if isinstance(value, Path):
        return {"path": str(value)}
    if isinstance(value, bytes | bytearray):
        return {type(value).__name__: _put(value, parts)}
    if isinstance(value, array):
        return {"array": [value.typecode, _put(value, parts)]}
    if isinstance(value, Planes):
        for plane in value.planes:
            _put(np.ascontiguousarray(plane), parts)
        return {"planes": [value.format.name, value.width_px, value.height_px]}
    if isinstance(value, Model):
        return {"model": [type(value).__name__, value.model_dump(mode="json")]}
    if isinstance(value, SrError):
        return {"error": [_known_error(type(value)).__name__, str(value)]}
    if type(value) in _RECORDS.values():
        content = {field.name: _describe(getattr(value, field.name), parts) for field in fields(value)}  # type: ignore[arg-type]  # all are dataclasses
        return {"record": [type(value).__name__, content]}
    raise TypeError(f"a {type(value).__name__} may not leave the process that reads media")


def _known_error(kind: type[SrError]) -> type[SrError]:
    """The class itself, or the nearest above it that is drawn in the tree of `errors` and made of a message alone."""
    return next(above for above in kind.__mro__ if above in _ERRORS.values() and "__init__" not in vars(above))


def _model(name: str) -> type[Model]:
    """The frozen model of this package that has that name."""
    waiting = Model.__subclasses__()
    while waiting:
        kind = waiting.pop()
        if kind.__name__ == name and kind.__module__.startswith("sr_core."):
            return kind
        waiting += kind.__subclasses__()
    raise UntrustworthyMessageError(f"a model {name!r}")


def _put(data: Buffer, parts: list[memoryview]) -> int:
    view = memoryview(data)
    if view.nbytes:
        parts.append(view.cast("B"))
    return view.nbytes


class _Reader:
    """Turns descriptions back into values, taking the body's bytes in order."""

    def __init__(self, body: memoryview) -> None:
        self._body = body
        self._position = 0

    def value(self, description: Any) -> Any:
        if not isinstance(description, dict):
            return description
        [(kind, content)] = description.items()
        read: dict[str, Callable[[Any], Any]] = {
            "list": lambda items: [self.value(item) for item in items],
            "tuple": lambda items: tuple(self.value(item) for item in items),
            "fraction": Fraction,
            "path": Path,
            "bytes": lambda size: bytes(self._take(size)),
            "bytearray": lambda size: bytearray(self._take(size)),
            "array": self._array,
            "planes": self._planes,
            "model": lambda pair: _model(pair[0]).model_validate_json(json.dumps(pair[1])),
            "error": lambda pair: _error(*pair),
            "record": self._record,
        }
        return read[kind](content)

    def _take(self, size: int) -> memoryview:
        if not 0 <= size <= len(self._body) - self._position:
            raise UntrustworthyMessageError("a message that is shorter than it says")
        self._position += size
        return self._body[self._position - size : self._position]

    def _array(self, content: Sequence[Any]) -> "array[Any]":
        typecode, size = content
        if typecode not in _NUMBERS:
            raise UntrustworthyMessageError(f"an array of {typecode!r}")
        return array(typecode, self._take(size).tobytes())

    def _planes(self, content: Sequence[Any]) -> Planes:
        name, width_px, height_px = content
        form = HANDLED[name]
        dtype = np.uint8 if form.bytes_per_sample == 1 else np.uint16
        planes: list[Plane] = []
        for width, height in form.plane_sizes_px(width_px, height_px):
            samples = self._take(width * height * form.bytes_per_sample)
            planes.append(cast(Plane, np.frombuffer(samples, dtype=dtype).reshape(height, width)))
        return Planes(form, tuple(planes))

    def _record(self, content: Sequence[Any]) -> Any:
        name, described = content
        return _RECORDS[name](**{key: self.value(value) for key, value in described.items()})


def _error(kind: str, message: str) -> SrError:
    return _ERRORS[kind](str(message))

"""What a reader tells crosses unchanged, and nothing else crosses: not from one that was taken over, either."""

import os
import pickle
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sr_core.errors import InputError
from sr_core.timestamps import FrameTable
from sr_core.types import Chunk
from sr_core.video import messages
from sr_core.video.cut import CutChunk
from sr_core.video.formats import HANDLED
from sr_core.video.messages import UntrustworthyMessageError
from sr_core.video.scan import PacketIndex, Scan
from tests import builders

from . import misbehaviour as does
from .readers import run


@pytest.mark.parametrize("name", HANDLED)
def test_planes_arrive_as_they_were(name: str) -> None:
    """Of every format and of odd sizes, from views into padded memory."""
    told, _ = run(does.tell_planes, name, 33, 17, 2)

    for number, frame in enumerate(told):
        expected = does.planes(HANDLED[name], 33, 17, seed=number)
        assert frame.format == expected.format
        assert all(np.array_equal(one, other) for one, other in zip(frame.planes, expected.planes, strict=True))
        assert frame.checksum() == expected.checksum()


def records() -> list[object]:
    frames = FrameTable(time_base=Fraction(1, 90000), last_duration=3)
    frames.append(-7, 1 << 31)
    frames.append(5, 0)
    packets = PacketIndex()
    packets.pts.extend([-(1 << 63), 4])
    packets.is_key.extend(b"\x01\x00")
    chunk = Chunk(index=1, start_frame=0, end_frame=2, start_segment=0, end_segment=1)
    return [
        None, True, -(1 << 70), 0.5, "surrogate \udce9 and \u65e5", [1, (2, [3])], Fraction(-1, 3), b"\x00\xff",
        Path("a \udce9 b"), builders.video(), builders.request(), chunk, frames,
        Scan(frames, packets, times_are_exact=False, warnings=("one", "two")), CutChunk(chunk, Path("x.nut"), "copy"),
    ]  # fmt: skip


@pytest.mark.parametrize("value", records(), ids=lambda value: type(value).__name__)
def test_values_cross_unchanged(value: object) -> None:
    head, parts = messages.encode(value)
    text_bytes, body_bytes = messages.sizes(head[: messages.HEADER.size])
    body = b"".join(parts)

    assert len(body) == body_bytes
    assert len(head) == messages.HEADER.size + text_bytes
    assert messages.decode(head[messages.HEADER.size :], memoryview(body)) == value


def forged(text: bytes, body: bytes = b"", *, body_bytes: int | None = None) -> bytes:
    return messages.HEADER.pack(len(text), len(body) if body_bytes is None else body_bytes) + text + body


class RunsCode:
    """A pickle of it would make a folder when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.mkdir, (str(self.path),)


FORGED = {
    "noise": b"\xff" * 100,
    "no JSON": forged(b"[" * 50),
    "nesting without end": forged(b"[" * 100_000),
    "no pair": forged(b"1"),
    "no known kind": forged(b'{"list":["launch",1]}'),
    "an unknown type": forged(b'{"list":["item",{"popen":"ls"}]}'),
    "a model that is none": forged(b'{"list":["item",{"model":["Popen",{}]}]}'),
    "a model that is not valid": forged(b'{"list":["item",{"model":["VideoInfo",{"width_px":-1}]}]}'),
    "a record that is none": forged(b'{"list":["item",{"record":["SegmentWriter",{"path":"/tmp/x"}]}]}'),
    "an error that is none": forged(b'{"list":["failed",{"error":["SystemExit","0"]}]}'),
    "a failure without an error": forged(b'{"list":["failed",1]}'),
    "planes larger than sent": forged(b'{"list":["item",{"planes":["gray",100000,100000]}]}', b"xx"),
    "planes of negative size": forged(b'{"list":["item",{"planes":["gray",-1,-2]}]}', b"xx"),
    "a body of absurd size": forged(b"[]", body_bytes=1 << 60),
    "an array of objects": forged(b'{"list":["item",{"array":["u",4]}]}', b"xxxx"),
}


@pytest.mark.parametrize("kind", FORGED)
def test_forged_messages_are_refused(kind: str) -> None:
    with pytest.raises(InputError, match=r"clip.mp4: .* do not trust the file"):
        run(does.send_bytes_and_stay, FORGED[kind])


def test_nothing_that_is_sent_is_unpickled(tmp_path: Path) -> None:
    target = tmp_path / "ran"
    data = pickle.dumps(RunsCode(target))

    with pytest.raises(InputError, match="do not trust the file"):
        run(does.send_bytes_and_stay, forged(data, data))

    assert not target.exists()
    pickle.loads(data)
    assert target.exists()  # else this would prove nothing


def test_only_known_types_can_be_sent() -> None:
    with pytest.raises(TypeError, match="may not leave"):
        messages.encode({1, 2})
    with pytest.raises(UntrustworthyMessageError):
        messages.decode(b'{"list":[],"tuple":[]}', memoryview(b""))

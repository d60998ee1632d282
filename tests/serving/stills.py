"""Stills for tests, and what a server says of them."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image


def image(mode: str = "RGB", size: tuple[int, int] = (36, 20), seed: int = 1) -> Image.Image:
    """A picture of smooth noise."""
    channels = {"RGB": 3, "RGBA": 4, "L": 1, "CMYK": 4}[mode]
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 9, channels), dtype=np.uint8)
    return Image.fromarray(coarse.squeeze(), mode).resize(size, Image.Resampling.BICUBIC)


def file_of(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def opened(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content))


@dataclass(frozen=True)
class Answer:
    """What HTTP brought back."""

    status: int
    headers: Message
    body: bytes

    @property
    def message(self) -> str:
        """Of an error."""
        return str(json.loads(self.body)["error"]["message"])


def ask(address: str, body: bytes | None = None, *, content_type: str = "image/png", **headers: str) -> Answer:
    """GET, or POST with a body."""
    sent = {} if body is None else {"Content-Type": content_type}
    request = urllib.request.Request(address, body, sent | headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())

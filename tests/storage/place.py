"""Somewhere that files lie, outside job folders."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A folder on disk or in S3, and a way around the code under test to what is in it."""

    uri: str
    write: Callable[[str, bytes], object]
    read: Callable[[str], bytes]
    names: Callable[[], list[str]]

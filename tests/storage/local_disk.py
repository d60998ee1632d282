"""A look behind a local store, and system calls that fail."""

import os
from collections.abc import Callable
from pathlib import Path

from sr_core.storage.local import PARTIAL_FOLDER, LocalStore


def leftovers(store: LocalStore) -> list[str]:
    return sorted(path.name for path in (Path(store.uri) / PARTIAL_FOLDER).iterdir())


def refusing(code: int) -> Callable[..., object]:
    """A system call that fails."""

    def refuse(*args: object, **kwargs: object) -> object:
        raise OSError(code, os.strerror(code))

    return refuse

"""Which keys a store accepts, and why not the others.

A key must mean the same object in a folder and in a bucket, and must not lead out of either. This module knows neither.
"""

import unicodedata

MAX_PART_BYTES = 255
"""The longest name that common filesystems take for one file or folder."""


def check_key(key: str) -> None:
    """Raises ValueError unless `key` is a relative address of parts joined by ``/``.

    A part is not empty, does not begin with a dot (so ``..`` and a store's own temporary files are out of reach), has
    no control characters and at most 255 bytes of UTF-8.
    """
    for part in key.split("/"):
        if not part:
            raise ValueError(f"key {key!r} has an empty part: keys are relative, like 'segments/00012.mkv'")
        if part.startswith("."):
            raise ValueError(f"key {key!r} has a part that begins with a dot")
        if any(unicodedata.category(character) == "Cc" for character in part):
            raise ValueError(f"key {key!r} has a control character")
        if len(part.encode()) > MAX_PART_BYTES:
            raise ValueError(f"key {key!r} has a part of more than {MAX_PART_BYTES} bytes")


def is_key(key: str) -> bool:
    """Whether `check_key` accepts it."""
    try:
        check_key(key)
    except ValueError:  # UnicodeEncodeError, for names that are not UTF-8, is one
        return False
    return True


def check_prefix(prefix: str) -> None:
    """Raises ValueError unless some key begins with `prefix`."""
    if not is_key(prefix) and not is_key(prefix + "_"):
        check_key(prefix + "_")

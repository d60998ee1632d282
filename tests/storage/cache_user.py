"""A process that fetches through the host cache: ``python -m tests.storage.cache_user FOLDER``.

FOLDER/script.json says what; see `Use`. Whatever is downloaded leaves a line in FOLDER/downloads.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from sr_core.storage.host_cache import HostCache


@dataclass(frozen=True, kw_only=True)
class Use:
    """What one process does."""

    names: tuple[str, ...]
    """Fetched one after another, in this order or shuffled by `seed`."""
    max_bytes: int = 1 << 30
    size_bytes: int = 100_000
    download_seconds: float = 0.0
    dies_in_download: bool = False
    seed: int | None = None


def content(name: str, size_bytes: int) -> bytes:
    return hashlib.shake_256(name.encode()).digest(size_bytes)


def start(folder: Path, use: Use) -> "subprocess.Popen[bytes]":
    folder.mkdir(exist_ok=True)
    return subprocess.Popen([sys.executable, "-m", "tests.storage.cache_user", str(folder), json.dumps(asdict(use))])


def downloads(folder: Path) -> list[str]:
    path = folder / "downloads"
    return path.read_text().split() if path.exists() else []


def main() -> None:
    folder, use = Path(sys.argv[1]), Use(**json.loads(sys.argv[2]))
    scratch = folder / f"scratch-{os.getpid()}"
    scratch.mkdir()
    cache = HostCache(folder / "cache", max_bytes=use.max_bytes)
    names = list(use.names)
    if use.seed is not None:
        random.Random(use.seed).shuffle(names)
    held, held_content = None, b""
    for number, name in enumerate(names):
        target = scratch / f"{number:03d}"

        def download(name: str = name, target: Path = target) -> None:
            with (folder / "downloads").open("a") as journal:
                journal.write(f"{name}\n")
            data = content(name, use.size_bytes)
            with target.with_suffix(".part").open("wb") as file:
                file.write(data[: len(data) // 2])
                time.sleep(use.download_seconds)
                if use.dies_in_download:
                    os.kill(os.getpid(), signal.SIGKILL)
                file.write(data[len(data) // 2 :])
            target.with_suffix(".part").replace(target)

        cache.provide(name, target, download)
        expected = content(name, use.size_bytes)
        assert target.read_bytes() == expected, f"{name} is not whole"
        if held is not None:  # the one before is still there, whatever was evicted since
            assert held.read_bytes() == held_content, f"{held} was taken away"
            held.unlink()
        held, held_content = target, expected


if __name__ == "__main__":
    main()

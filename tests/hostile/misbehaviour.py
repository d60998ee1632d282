"""What a decoder that was taken over, or that merely breaks, might do. Runs in readers; named after what it does."""

import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from sr_core.errors import SrError
from sr_core.video.formats import HANDLED, PixelFormat
from sr_core.video.frames import Plane, Planes
from sr_core.video.reader import Tell


def crash(tell: Tell) -> None:
    ctypes.string_at(0)


def abort(tell: Tell) -> None:
    os.abort()


def leave(tell: Tell) -> None:
    os._exit(3)


def be_killed(tell: Tell) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(tell: Tell) -> None:
    tell(os.getpid())
    time.sleep(1000)


def spin(tell: Tell) -> None:
    tell(os.getpid())
    while True:
        pass


def spin_in_c(tell: Tell) -> None:
    """Holds the interpreter's lock, as a decoder might, for longer than anybody waits."""
    tell(os.getpid())
    sum(range(1 << 40))


def ended_children_cpu_seconds(tell: Tell) -> float:
    """What programs took that this reader has started, and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def keep_telling(tell: Tell, pause_seconds: float, count: int) -> int:
    for number in range(count):
        time.sleep(pause_seconds)
        tell(number)
    return count


def take_memory(tell: Tell) -> None:
    taken = []
    while True:
        taken.append(np.ones(1 << 20, np.uint8))


def raise_error(tell: Tell, error: Exception) -> None:
    raise error


def tell_environment(tell: Tell) -> list[str]:
    return [f"{name}={value}" for name, value in os.environ.items()]


def tell_own(tell: Tell, error: type[SrError]) -> None:
    raise error("said by the reader; as it is")


def read_file(tell: Tell, path: str) -> bytes:
    return Path(path).read_bytes()


def list_folder(tell: Tell, path: str) -> list[str]:
    return [entry.name for entry in Path(path).iterdir()]


def write_file(tell: Tell, path: str) -> None:
    Path(path).write_text("written")


def connect(tell: Tell, port: int) -> None:
    socket.create_connection(("127.0.0.1", port), timeout=5).close()


def send_signal(tell: Tell, pid: int) -> None:
    os.kill(pid, 0)


def start_others(tell: Tell) -> None:
    """A process of its own, as the converter is."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    tell([os.getpid(), other.pid])
    time.sleep(1000)


def send_bytes(tell: Tell, data: bytes) -> None:
    """Past the function that makes messages."""
    _results(tell).sendall(data)


def send_bytes_and_stay(tell: Tell, data: bytes) -> None:
    send_bytes(tell, data)
    time.sleep(1000)


def tell_planes(tell: Tell, name: str, width_px: int, height_px: int, count: int) -> None:
    for number in range(count):
        tell(planes(HANDLED[name], width_px, height_px, seed=number))


def count_into(tell: Tell, path: str, count: int) -> None:
    """Tells frames of about a megabyte, and after each one writes how many there were."""
    for number in range(1, count + 1):
        tell(Planes(HANDLED["gray"], (np.zeros((1000, 1000), np.uint8),)))
        Path(path).write_text(str(number))


def planes(form: PixelFormat, width_px: int, height_px: int, *, seed: int) -> Planes:
    """Noise; every other format's planes are views of larger ones, as a decoder's are."""
    random = np.random.default_rng(seed)
    dtype: Any = np.uint8 if form.bytes_per_sample == 1 else np.uint16
    made: list[Plane] = []
    for width, height in form.plane_sizes_px(width_px, height_px):
        padded: Plane = random.integers(0, 1 << form.bit_depth, (height, width + 13), dtype=dtype)
        made.append(padded[:, :width])
    return Planes(form, tuple(made))


def _results(tell: Tell) -> socket.socket:
    cells = tell.__closure__ or ()
    return next(cell.cell_contents for cell in cells if isinstance(cell.cell_contents, socket.socket))

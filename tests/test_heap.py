"""What a worker has freed, the next layer of a network gets again, and the kernel has nothing to clear."""

import platform
import subprocess
import sys

import pytest

PROCESS = """
import ctypes, resource, sys, threading
from sr_core.cli.main import main
from sr_core.heap import keep_freed_memory

if "sr" in sys.argv:
    try:
        main(["--version"])  # all that is asked of `sr` here is to begin
    except SystemExit:
        pass
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = libc.memset.argtypes = None
LAYER_BYTES = 88 << 20  # 48 features of 1280x720 pixels in bf16


def layer():
    block = ctypes.c_void_p(libc.malloc(LAYER_BYTES))
    libc.memset(block, 1, ctypes.c_size_t(LAYER_BYTES))
    libc.free(block)


def worker():
    layer()
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    layer()
    print(resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before, file=sys.stderr)


def in_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


asked, done = threading.Event(), threading.Event()
watching = threading.Thread(target=lambda: (bytearray(1 << 16), asked.wait()))  # as that for the Spot notice
watching.start()
keep_freed_memory()
for _ in range(4):
    in_thread(worker)
asked.set()
"""


def faults(*arguments: str) -> list[int]:
    """Pages that the kernel had to give to each of four workers for the second of two layers."""
    done = subprocess.run([sys.executable, "-c", PROCESS, *arguments], capture_output=True, text=True, check=True)
    return [int(line) for line in done.stderr.split()]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_in_every_thread_of_sr_a_layer_takes_the_memory_of_the_one_before() -> None:
    pages_of_a_layer = (88 << 20) // 4096

    # Given a process that began otherwise, where a thread has a heap of its own, which gives back what is freed
    assert max(faults()) > pages_of_a_layer / 2

    # Then one that began as `sr` does needs no new memory
    assert max(faults("sr")) < pages_of_a_layer / 100

"""Loads machine code into a GPU and launches its kernels in torch's current stream, through the driver's own library.

Launches can be recorded in CUDA graphs as torch's are. Knows nothing of what kernels do.
"""

import ctypes
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

_REGISTERS_OF_A_THREAD, _PREFERRED_SHARED_PERCENT = 4, 9
"""Attributes of functions: CU_FUNC_ATTRIBUTE_NUM_REGS and …_PREFERRED_SHARED_MEMORY_CARVEOUT of cuda.h."""
_REGISTERS = 65536
"""Of a processor, from compute capability 7.5 to 12.0 (CUDA C++ Programming Guide, "Compute Capabilities")."""
_OWN_BYTES = 1024
"""Of shared memory, which the system keeps for each block from 8.0 on."""


class Kernel:
    """A kernel on the current device, which torch must have in use.

    Args:
        module: as `load` gives it.
        name: of an ``extern "C"`` function in it.

    Raises RuntimeError when the driver does.
    """

    def __init__(self, module: ctypes.c_void_p, name: str) -> None:
        self._function, self._context = ctypes.c_void_p(), ctypes.c_void_p()
        _check(_driver().cuModuleGetFunction(ctypes.byref(self._function), module, name.encode()))
        _check(_driver().cuCtxGetCurrent(ctypes.byref(self._context)))

    def __call__(
        self, arguments: tuple[Tensor | int, ...], *, grid: tuple[int, int, int], threads: int, shared_bytes: int
    ) -> None:
        """Queues it. A tensor is passed as the address of its data, a number as a C int.

        Args:
            arguments: of the kernel, in its order.
            grid: blocks in x, y and z.
            threads: in a block.
            shared_bytes: for a block, at most 48 KiB.
        """
        values = [_value(each) for each in arguments]
        places = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        driver = _driver()
        # A thread that has called nothing of torch's yet has no context, which is where kernels live.
        _check(driver.cuCtxSetCurrent(self._context))
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
        _check(driver.cuLaunchKernel(self._function, *grid, threads, 1, 1, shared_bytes, stream, places, None))

    def divide_memory(self, *, threads: int, shared_bytes: int) -> None:
        """Asks for so much shared memory as those blocks need that registers leave room for, and no more: the rest of a
        processor's fast memory is first-level cache. Only a hint, on which no bit depends; refusals are passed over.

        Args: as for a launch.
        """
        registers = ctypes.c_int()
        if _driver().cuFuncGetAttribute(ctypes.byref(registers), _REGISTERS_OF_A_THREAD, self._function):
            return
        blocks = _REGISTERS // (registers.value * threads)
        there = torch.cuda.get_device_properties().shared_memory_per_multiprocessor
        percent = min(100, -(-100 * blocks * (shared_bytes + _OWN_BYTES) // there))
        _driver().cuFuncSetAttribute(self._function, _PREFERRED_SHARED_PERCENT, percent)


def load(binary: bytes, names: Sequence[str]) -> dict[str, Kernel]:
    """The kernels in machine code for the GPU that torch has in use, by name. They stay loaded while the process lives.

    Raises RuntimeError when the driver does.
    """
    torch.cuda.synchronize()  # so that there is a context
    module = ctypes.c_void_p()
    _check(_driver().cuModuleLoadData(ctypes.byref(module), binary))
    return {name: Kernel(module, name) for name in names}


def _value(argument: Tensor | int) -> ctypes.c_void_p | ctypes.c_int:
    return ctypes.c_void_p(argument.data_ptr()) if isinstance(argument, Tensor) else ctypes.c_int(argument)


@cache
def _driver() -> ctypes.CDLL:
    """The driver's library, which torch's CUDA builds have loaded."""
    return ctypes.CDLL("libcuda.so.1")


def _check(result: int) -> None:
    """Raises RuntimeError in the words that torch has for it."""
    if result:
        message = ctypes.c_char_p()
        _driver().cuGetErrorString(result, ctypes.byref(message))
        raise RuntimeError(f"CUDA error: {message.value.decode() if message.value else result}")

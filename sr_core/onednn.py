"""What the library that convolves on CPUs is told, which reads it once, with the process's first convolution."""

import os

_KEPT_KERNELS = "4096"
"""Convolutions of one shape each; of its own accord it keeps 1,024. They take some tens of KB each."""


def keep_kernels() -> None:
    """Makes oneDNN keep more of the kernels that it makes, one for each shape: parts of frames come in many shapes, and
    making the kernels again takes a seventh of their time (bench/README.md). A user's own setting stands.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", _KEPT_KERNELS)

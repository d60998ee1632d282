"""The smallest network of the compact architecture, with random weights, written without torch."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

Tensors = dict[str, NDArray[np.float32]]


def tensors(*, scale: int = 2, features: int = 4, channels: int = 3, kernel: int = 3, seed: int = 0) -> Tensors:
    """Three convolutions with PReLU between them: from `channels` to `features`, one inner, one to the output."""
    random = np.random.default_rng(seed)

    def convolution(number: int, count_in: int, count_out: int) -> Tensors:
        return {
            f"body.{number}.weight": random.normal(0, 0.05, (count_out, count_in, kernel, kernel)).astype(np.float32),
            f"body.{number}.bias": random.normal(0, 0.01, count_out).astype(np.float32),
        }

    slopes = np.full(features, 0.2, np.float32)
    return {
        **convolution(0, channels, features),
        "body.1.weight": slopes,
        **convolution(2, features, features),
        "body.3.weight": slopes,
        **convolution(4, features, channels * scale * scale),
    }


def make_network(path: Path, **shape: int) -> Path:
    """Writes a network as safetensors and returns the path; `shape` as in `tensors`."""
    save_file(tensors(**shape), path)
    return path

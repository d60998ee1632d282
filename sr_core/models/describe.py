"""Describing a network by its name or its file, loading torch only where the file's format needs it."""

from pathlib import Path

from sr_core.models import catalogue
from sr_core.types import ModelSpec


def describe(model: str) -> ModelSpec:
    """A shipped network by its name, or a checkpoint by its path.

    Raises InputError: no such network or file, or its content is not usable.
    """
    if model in catalogue.shipped() or not Path(model).is_file():
        return catalogue.describe_shipped(model)
    path = Path(model)
    if catalogue.is_safetensors(path):
        return catalogue.describe_safetensors(path, name=model)
    from sr_core.models.loading import checkpoint_shapes

    return catalogue.spec_from_shapes(checkpoint_shapes(path), name=model, sha256=catalogue.file_digest(path))

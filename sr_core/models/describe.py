"""Describing a network by its name or its file, loading torch only where the file's format needs it."""

from pathlib import Path

from sr_core.models import catalogue
from sr_core.types import ModelSpec


def describe(model: str, *, name: str | None = None) -> ModelSpec:
    """A shipped network by its name, or a checkpoint by its path; called `name` if that is given.

    Raises InputError: no such network or file, or its content is not usable.
    """
    if model in catalogue.shipped() or not Path(model).is_file():
        return catalogue.describe_shipped(model)
    path, name = Path(model), name or model
    if catalogue.is_safetensors(path) and catalogue.is_plain_compact(path):
        return catalogue.describe_safetensors(path, name=name)
    from sr_core.models.loading import describe_file

    return describe_file(path, name=name)

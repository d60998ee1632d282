"""Importing a command with all that it needs, of which torch is most."""

import gc
import sys
from importlib import import_module
from types import ModuleType


def import_uncollected(name: str) -> ModuleType:
    """The module, imported without looking for garbage on the way or ever again among what came with it.

    Modules stay; the collector would go over torch's hundreds of thousands of objects time and again, which is a tenth
    of the time of the import. Raises what the import raises.
    """
    if name in sys.modules:  # freezing twice would only keep garbage of other kinds
        return sys.modules[name]
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        gc.enable()

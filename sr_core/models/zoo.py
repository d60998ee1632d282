"""BasicSR's networks, for people who trained with it, and what must stand in for torchvision so that it imports at all.

Owns reading an option file (``basicsr:OPTIONS.yml``), packing the network it means into one file, building that network
from BasicSR's registry, and the stand-ins. BasicSR and spandrel are extras: nothing that ships imports this module.

BasicSR 1.4.2 imports `torchvision.transforms.functional_tensor`, which torchvision 0.17 took away; and a torchvision
built for CUDA does not import beside a torch built for the CPU. What super-resolution needs of torchvision is next to
nothing: one function that turns to grey in the training data. So the missing module is put in its place, and where
torchvision does not import at all, modules that refuse to work when something of them is called.
"""

import contextlib
import importlib
import io
import json
import sys
import types
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from sr_core.errors import InputError

METADATA_KEY = "basicsr_network_g"
"""In a packed file: the option file's `network_g`, as JSON."""

_PARTS_OF_TORCHVISION = {
    "transforms": (),
    "transforms.functional": ("InterpolationMode", "normalize", "rotate"),
    "models": (),
    "models.vgg": (),
    "ops": ("deform_conv2d",),
    "utils": ("make_grid",),
}
"""What spandrel 0.4 and BasicSR 1.4 import by name."""


def stand_in_for_torchvision() -> None:
    """Makes spandrel and BasicSR importable beside whatever torchvision there is; changes nothing where all is there.

    Raises InputError when torchvision is not installed at all: then neither spandrel nor BasicSR is.
    """
    with quietly():
        try:
            importlib.import_module("torchvision")
        except ImportError as error:
            raise InputError(f"this checkpoint needs torchvision ({error}); {HOW_TO_INSTALL}") from error
        except RuntimeError:  # operator torchvision::nms does not exist: it was built for another torch
            _put_modules_in_its_place()
        try:
            importlib.import_module("torchvision.transforms.functional_tensor")
        except ImportError:
            moved = types.ModuleType("torchvision.transforms.functional_tensor")
            moved.rgb_to_grayscale = _rgb_to_grayscale  # type: ignore[attr-defined]
            sys.modules[moved.__name__] = moved


HOW_TO_INSTALL = "`make zoo` installs what reads it, `make basicsr` BasicSR (docs/models.md)"


def read_options(path: Path) -> tuple[dict[str, Any], Path, str | None]:
    """What an option file says of the network: `network_g`, its weights file, and their key in it (None: any).

    The weights are `path.pretrain_network_g`; a relative path is looked for beside the option file, too.

    Raises InputError when the file cannot be read or does not say these things, and where PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError as error:
        raise InputError(f"{path} is an option file, which needs PyYAML ({error}); {HOW_TO_INSTALL}") from error
    try:
        options = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} is not a readable option file ({' '.join(str(error).split())})") from error
    network = options.get("network_g") if isinstance(options, dict) else None
    if not isinstance(network, dict) or not isinstance(network.get("type"), str):
        raise InputError(f"{path} has no network_g with a type; give an option file of BasicSR")
    paths = options.get("path")
    named = paths.get("pretrain_network_g") if isinstance(paths, dict) else None
    if not isinstance(named, str):
        raise InputError(f"{path} names no weights; set path.pretrain_network_g to the trained network's file")
    weights = next((found for found in (Path(named), path.parent / named) if found.is_file()), None)
    if weights is None:
        raise InputError(f"{path} names the weights {named}, which are not there (nor beside the option file)")
    key = paths.get("param_key_g")
    return network, weights, key if isinstance(key, str) else None


def build(network_options: Mapping[str, Any], state: Mapping[str, Tensor], *, name: str) -> nn.Module:
    """The network of BasicSR's registry that the options describe, with `state` loaded; fp32 on the CPU.

    Raises InputError: BasicSR is not installed or has no such network, or the options or the state do not fit it.
    """
    stand_in_for_torchvision()
    with quietly():
        try:
            importlib.import_module("basicsr.archs")
            registry = importlib.import_module("basicsr.utils.registry").ARCH_REGISTRY
        except ImportError as error:
            raise InputError(f"{name} needs BasicSR ({error}); {HOW_TO_INSTALL}") from error
        options = dict(network_options)
        kind = options.pop("type")
        try:
            network: nn.Module = registry.get(kind)(**options)
        except KeyError as error:
            raise InputError(f"{name}: BasicSR has no network of the type {kind}") from error
        except (TypeError, ValueError, AttributeError, RuntimeError, AssertionError) as error:
            raise InputError(f"{name}: BasicSR's {kind} cannot be made of these options ({error})") from error
    load_strictly(network, state, name=name)
    return network.eval()


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], *, name: str) -> None:
    """Loads a state that must fit entirely. Raises InputError that names what does not."""
    own = network.state_dict()
    missing, excess = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
    other = sorted(key for key in own.keys() & state.keys() if own[key].shape != state[key].shape)
    for keys, fault in ((missing, "missing"), (excess, "in excess"), (other, "of another size")):
        if keys:
            shown = ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
            raise InputError(f"{name}: the weights do not fit the network ({shown} {fault}); get the right file")
    network.load_state_dict(dict(state))


def network_options(metadata: Mapping[str, str]) -> dict[str, Any] | None:
    """The `network_g` that a packed file's metadata holds; None for any other file's."""
    text = metadata.get(METADATA_KEY)
    return json.loads(text) if text is not None else None


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Others' packages print and warn on import; standard output is for our own results."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _put_modules_in_its_place() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]  # what the failed import left
    root = sys.modules["torchvision"] = types.ModuleType("torchvision", _STAND_IN)
    root.__version__ = "0.0"  # type: ignore[attr-defined]
    root.__path__ = []
    for path, names in _PARTS_OF_TORCHVISION.items():
        module = sys.modules[f"torchvision.{path}"] = types.ModuleType(f"torchvision.{path}", _STAND_IN)
        module.__path__ = []
        for name in names:
            setattr(module, name, _refusing(f"torchvision.{path}.{name}"))
        parent, _, last = f"torchvision.{path}".rpartition(".")
        setattr(sys.modules[parent], last, module)


_STAND_IN = "Stands in for torchvision, which is installed but does not import beside this torch."


def _refusing(name: str) -> type:
    """A class that can be imported, and refuses to be called."""

    def refuse(*_: object, **__: object) -> None:
        raise InputError(
            f"this network calls {name}, and the torchvision here was built for another torch; install both of a kind"
        )

    return type(name.rpartition(".")[2], (), {"__new__": refuse, "__doc__": _STAND_IN})


def _rgb_to_grayscale(image: Tensor, num_output_channels: int = 1) -> Tensor:
    """(…, 3, H, W) to luma of BT.601, (…, 1 or 3, H, W): what the module that was taken away did."""
    red, green, blue = image.unbind(dim=-3)
    grey = (0.2989 * red + 0.587 * green + 0.114 * blue).to(image.dtype).unsqueeze(-3)
    return grey.expand(image.shape) if num_output_channels == 3 else grey

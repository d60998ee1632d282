"""Making a request on the machine that will run it: everything is named by its content, and nothing is left open.

In the cloud the state machine writes the request instead. Nothing here starts any work.
"""

from pathlib import Path

from sr_core.inference import settle
from sr_core.layout import model_key
from sr_core.model_files import find
from sr_core.planning import check_scale
from sr_core.storage import source_version
from sr_core.types import Request, Settings


def make_request(source: str, output: str, settings: Settings) -> tuple[Request, Path | None]:
    """Settles what this machine decides (device, precision, kernels) and names the source and network by their content.

    Returns the request and, for a network that does not ship with the package, its weights file.

    Raises InputError: no such source, network or device, or a scale that is not the network's.
    """
    version = source_version(source)
    found = find(settings)
    model, weights = found.spec, found.path
    check_scale(settings, model)
    name = Path(model.name).name.encode(errors="replace").decode()
    settled = settle(settings, model).model_copy(update={"model": name})
    if weights is not None:
        model = model.model_copy(update={"name": name, "stored_key": model_key(model.sha256)})
    request = Request(
        input=_address(source), input_version=version, output=_address(output), settings=settled, model=model
    )
    return request, weights


def _address(place: str) -> str:
    """The whole address of a path; a file URI where its name is not UTF-8, which is all that JSON holds."""
    if "://" in place:
        return place
    path = Path(place).absolute()
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return path.as_uri()
    return str(path)

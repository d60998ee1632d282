"""Where a network's weights file is: in the package, a path, or the model store; and how one gets into that store.

The model store is a directory or an S3 prefix (SR_MODELS; a cache folder of the user's without it) that holds the files
of published networks under their own names, each with what was seen of it. It knows no architecture.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sr_core.contract import ENV_MODELS
from sr_core.errors import DamagedData, InputError, IntegrityError
from sr_core.models import catalogue
from sr_core.models.catalogue import PublishedModel, file_digest
from sr_core.models.describe import describe
from sr_core.models.download import download, one_at_a_time
from sr_core.storage import ObjectNotFound, Store, open_store
from sr_core.storage.disk import disk_errors, make_folder
from sr_core.storage.keys import is_key
from sr_core.types import ModelSpec, Settings

_BASICSR = "basicsr:"
_SEEN_SUFFIX = ".sha256"
"""A small object beside a file whose sum nobody states: the sum that was seen when it was first pulled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A network and its weights file."""

    spec: ModelSpec
    path: Path | None
    """None for a network that ships with the package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What `pull` did."""

    address: str
    sha256: str
    is_pinned: bool
    """Whether the sum was promised by the catalogue, or only seen."""
    was_there: bool


def model_store() -> Store:
    """The store of published networks' files. Raises InputError where SR_MODELS is no address."""
    return open_store(os.environ.get(ENV_MODELS) or str(cache_folder()))


def cache_folder() -> Path:
    """Where this user's model files are kept: ``$XDG_CACHE_HOME/sr/models``, by default below ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "sr" / "models"


def find(settings: Settings, folder: Path | None = None) -> Found:
    """The network that the settings mean.

    A file that lies elsewhere is brought to `folder`, by default the user's cache folder.

    Raises:
        InputError: no such network or file, it may not be read, or its content is not usable.
        IntegrityError: a file in the model store is not what the catalogue promises.
    """
    model = settings.model or catalogue.recommended(settings.scale)
    if model in catalogue.shipped():
        return Found(spec=catalogue.describe_shipped(model), path=None)
    with disk_errors(Path(model)):
        return _found(model, folder)


def _found(model: str, folder: Path | None) -> Found:
    """A network that does not ship."""
    if model.startswith(_BASICSR):
        from sr_core.models.loading import pack_basicsr

        path = pack_basicsr(Path(model.removeprefix(_BASICSR)), _made(folder or cache_folder()))
        return Found(spec=describe(str(path), name=model), path=path)
    if model in catalogue.published() and not Path(model).is_file():
        return _from_store(model, catalogue.published()[model], _made(folder or cache_folder()))
    path = _unpublished(model, folder) or Path(model)
    return Found(spec=describe(str(path), name=model), path=path)


def _made(folder: Path) -> Path:
    with disk_errors(folder):
        make_folder(folder)
    return folder


def _from_store(name: str, entry: PublishedModel, folder: Path) -> Found:
    store = model_store()
    promised = entry.sha256 or _seen(store, entry)
    try:
        path = store.fetch(entry.file, folder, sha256=promised)
    except ObjectNotFound as error:
        there = f"{ENV_MODELS}={store.uri} " if ENV_MODELS in os.environ else ""
        raise InputError(f"{name} is not in {store.uri}; get it there first: {there}sr models pull {name}") from error
    except DamagedData as error:
        raise IntegrityError(
            f"{entry.file} in {store.uri} is not what the catalogue promises; sr models pull {name} replaces it"
        ) from error
    return Found(spec=entry.spec.model_copy(update={"sha256": promised or file_digest(path)}), path=path)


def _unpublished(name: str, folder: Path | None) -> Path | None:
    """A file of that name that somebody has put into the model store, as a deployment does with weights of its own."""
    if Path(name).is_file() or not is_key(name):
        return None
    store = model_store()
    return store.fetch(name, _made(folder or cache_folder())) if store.stat(name) is not None else None


def find_deployed(settings: Settings, store: Store, folder: Path) -> ModelSpec:
    """The network that the settings mean where `store` is the model store and no file of this machine is at hand.

    Raises InputError: there is no such network, or its content is not usable.
    """
    name = settings.model or catalogue.recommended(settings.scale)
    if name in catalogue.shipped():
        return catalogue.describe_shipped(name)
    entry = catalogue.published().get(name)
    if entry is not None:
        if store.stat(entry.file) is None:
            raise InputError(
                f"{name} is not in {store.uri}; get it there first: {ENV_MODELS}={store.uri} sr models pull {name}"
            )
        return entry.spec
    if not is_key(name) or store.stat(name) is None:
        raise InputError(
            f"there is no network {name} in {store.uri}, and a deployment sees no file of this machine; choose one of "
            '`sr models`, or deploy it (docs/deploy.md, "With another network")'
        )
    return describe(str(store.fetch(name, folder)), name=name)


def is_there(name: str) -> bool:
    """Whether the model store has the file of a published network; its content is checked when it is used."""
    return model_store().stat(catalogue.published()[name].file) is not None


def pull(name: str, *, on_bytes: Callable[[int, int], None] = lambda _done, _whole: None) -> Pulled:
    """Downloads a published network into the model store, unless it is there and whole.

    What was interrupted goes on where it stopped: the unfinished file is in the user's cache folder. Of several at
    once on one machine, the first downloads it and the others wait.

    Raises:
        InputError: there is no such network, or its address is gone.
        IntegrityError: the file is not what is promised, or not the one seen before.
        HostCapacity: the disk is full.
        TransientError: the download failed.
    """
    networks = catalogue.published()
    if name in catalogue.shipped():
        raise InputError(f"{name} ships with this package; there is nothing to pull")
    if name not in networks:
        raise InputError(f"there is no published network {name!r}; choose one of {', '.join(networks)}")
    entry, store = networks[name], model_store()
    folder = _made(cache_folder())
    path = folder / f"{entry.file}.new"
    found = _whole(store, entry, folder)
    if found is None:
        with disk_errors(path), one_at_a_time(path):
            found = _whole(store, entry, folder)  # another process may have brought it meanwhile
            if found is None:
                return _pulled(store, entry, path, on_bytes)
    return _answer(store, entry, found, was_there=True)


def _whole(store: Store, entry: PublishedModel, folder: Path) -> str | None:
    """The sum of the file in the store, if it is there and the one that is promised, or was seen before."""
    promised = entry.sha256 or _seen(store, entry)
    if promised is None or store.stat(entry.file) is None:
        return None
    try:
        store.fetch(entry.file, folder, sha256=promised)
    except DamagedData:
        return None
    return promised


def _pulled(store: Store, entry: PublishedModel, path: Path, on_bytes: Callable[[int, int], None]) -> Pulled:
    promised = entry.sha256 or _seen(store, entry)
    digest = download(entry.url, path, size_bytes=entry.size_bytes, sha256=promised, on_bytes=on_bytes)
    store.put(entry.file, path, sha256=digest)
    path.unlink(missing_ok=True)
    if entry.sha256 is None:
        store.create(entry.file + _SEEN_SUFFIX, digest.encode())
    return _answer(store, entry, digest, was_there=False)


def _answer(store: Store, entry: PublishedModel, sha256: str, *, was_there: bool) -> Pulled:
    return Pulled(
        address=f"{store.uri}/{entry.file}",
        sha256=sha256,
        is_pinned=entry.sha256 is not None,
        was_there=was_there,
    )


def _seen(store: Store, entry: PublishedModel) -> str | None:
    try:
        return store.get_bytes(entry.file + _SEEN_SUFFIX).decode().strip()
    except ObjectNotFound:
        return None

"""Which tests stay together when several processes share the suite (`make test`), and where temporary files lie.

Folders whose tests share something dear, the synthesized applications or a cloud, go to one process together, so that
it is made once, and first, since they take the longest; elsewhere each file stays together.
"""

import gc
import os
import tempfile
from collections.abc import Iterator
from multiprocessing import util
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

if "PYTEST_XDIST_WORKER" in os.environ:
    # A core for each process that shares the suite; torch's threads would wait for one another's, turning in circles.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

gc.disable()  # until all tests are collected: it would take a third of that time

UNDIVIDED = ("tests/stacks/", "tests/localcloud/")
TOGETHER = "what is synthesized"


def group(nodeid: str) -> str:
    """Of the tests that stay together: the folders that are not divided, or a file."""
    return TOGETHER if nodeid.startswith(UNDIVIDED) else nodeid.split("::", 1)[0]


class _InGroups(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """xdist's marks for groups are of no effect with this pytest: they are written into names that it forms anew."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _InGroups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: group(item.nodeid) != TOGETHER)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Where pictures are so small that sharing one among cores takes longer than computing it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def temporary_folder() -> Iterator[Path]:
    """What commands that are killed leave in the folder for temporary files, which is this one, goes in the end.

    Its own name is short, because sockets lie in it whose whole names must be.
    """
    util.get_temp_dir()  # multiprocessing's own, which it removes itself
    with (
        tempfile.TemporaryDirectory(prefix="sr-tests-", ignore_cleanup_errors=True) as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)

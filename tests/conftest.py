"""Which tests stay together when several processes share the suite (`make test`), and where temporary files lie.

A folder whose tests share something dear, such as a synthesized application or a running cloud, goes to one process
whole, so that it is made once; elsewhere each file stays together.
"""

import tempfile
from collections.abc import Iterator
from multiprocessing import util
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
UNDIVIDED = {"localcloud", "stacks"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        place = item.path.relative_to(ROOT)
        group = place.parts[0] if place.parts[0] in UNDIVIDED else str(place)
        item.add_marker(pytest.mark.xdist_group(group))


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

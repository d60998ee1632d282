"""Which tests stay together when several processes share the suite (`make test`).

A folder whose tests share something dear, such as a synthesized application or a running cloud, goes to one process
whole, so that it is made once; elsewhere each file stays together.
"""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent
UNDIVIDED = {"localcloud", "stacks"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        place = item.path.relative_to(ROOT)
        group = place.parts[0] if place.parts[0] in UNDIVIDED else str(place)
        item.add_marker(pytest.mark.xdist_group(group))

"""A command is imported without the collector of garbage, which is as it was before afterwards."""

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sr_core.cli.imports import import_uncollected


def _module(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: str) -> str:
    (folder / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(folder)
    return name


@pytest.fixture(autouse=True)
def unfrozen() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_nothing_is_collected_on_the_way_and_what_came_is_not_looked_through_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a module that notes whether the collector is on, and is imported with it on
    name = _module(tmp_path, monkeypatch, "much", "import gc\nwas_on = gc.isenabled()\nmade = [[] for _ in range(9)]\n")
    assert gc.isenabled()

    # When it is imported
    module = import_uncollected(name)

    # Then it was off, is on again, and what the module made is out of its sight
    assert not module.was_on
    assert gc.isenabled()
    assert not any(each is module.made for each in gc.get_objects())

    # And importing it again freezes nothing more
    frozen = gc.get_freeze_count()
    assert import_uncollected(name) is sys.modules[name]
    assert gc.get_freeze_count() <= frozen


def test_the_collector_is_on_again_after_an_import_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = _module(tmp_path, monkeypatch, "broken", "raise RuntimeError('no')\n")
    with pytest.raises(RuntimeError, match="no"):
        import_uncollected(name)
    assert gc.isenabled()

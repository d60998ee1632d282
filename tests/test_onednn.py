"""oneDNN keeps the kernels of as many shapes as parts of frames have."""

import os

import pytest

from sr_core.cli.main import main


def _kept(monkeypatch: pytest.MonkeyPatch, *, before: str | None) -> str:
    """The setting after `sr` has begun: whatever convolves first, choosing a precision or measuring a network."""
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", before or "")  # so that it is put back
    if before is None:
        monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY")
    with pytest.raises(SystemExit):
        main(["--version"])
    return os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"]


def test_sr_makes_it_keep_more_from_its_first_convolution_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert int(_kept(monkeypatch, before=None)) > 1024


def test_a_users_own_setting_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _kept(monkeypatch, before="7") == "7"

"""What a receipt says of the encoder that made its segment."""

import platform

import pytest

from sr_core.video.write import encoder_versions


def test_an_encoder_for_another_architecture_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    here = encoder_versions()

    monkeypatch.setattr(platform, "machine", lambda: "another")

    assert dict(here).keys() == dict(encoder_versions()).keys()
    assert here != encoder_versions()

"""Upscale, where the job folder does not hold the weights that it should."""

from pathlib import Path

import pytest

from sr_core.contract import REQUEST_KEY
from sr_core.errors import DamagedData, IntegrityError
from sr_core.layout import model_key
from sr_core.manifest import Manifest
from sr_core.stages.extract import extract
from sr_core.stages.upscale import upscale
from sr_core.storage import open_store, source_version
from sr_core.types import Settings
from tests import builders
from tests.clips import make_clip


@pytest.mark.parametrize("content", [None, b"other weights"], ids=["gone", "damaged"])
def test_weights_that_are_gone_or_damaged_are_named_with_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    # Given a job whose network came with the request, extracted
    source = make_clip(tmp_path / "source.mp4", frames=12, audio=None)
    model = builders.model(stored_key=model_key("0" * 64))
    manifest = Manifest(open_store(str(tmp_path / "job")))
    request = builders.request(
        Settings(model="tiny", device="cpu", precision="fp32"),
        input=str(source),
        input_version=source_version(str(source)),
        output=str(tmp_path / "out.mp4"),
        model=model,
    )
    manifest.store.put_bytes(REQUEST_KEY, request.to_json())
    extract(manifest, scratch=tmp_path, tier="local")

    # When its weights are not where they were put
    if content is not None:
        manifest.store.put_bytes(model_key("0" * 64), content)
    with pytest.raises(IntegrityError) as raised:
        upscale(manifest, 0, scratch=tmp_path)

    # Then that is data lost, which no repetition brings back, and no defect of the program
    assert not isinstance(raised.value, DamagedData)
    assert f"{model_key('0' * 64)}, the weights of tiny, is gone or damaged; put the file" in str(raised.value)

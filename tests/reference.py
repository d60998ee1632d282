"""The reference media, which are not part of the repository; tests that need them skip without them."""

import os
from pathlib import Path

import pytest

MEDIA = Path(os.environ.get("SR_REFERENCE_MEDIA") or Path(__file__).parents[2] / "shared" / "media")
VIDEO = MEDIA / "video"

needs_media = pytest.mark.skipif(
    not MEDIA.is_dir(), reason=f"no reference media: set SR_REFERENCE_MEDIA (looked for {MEDIA.name})"
)

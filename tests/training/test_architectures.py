"""Kinds of networks beside each other: each is fitted by the same loop, and measured by the same rule."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sr_core.models.measure import count_macs
from training import architectures
from training.architectures import CANDIDATES, Candidate, fit, measured
from training.data import Pairs, load_pairs
from training.train import Config

SCALE = 2


@pytest.fixture(autouse=True)
def small_frames(monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    """Of what is measured here, times are the only thing that nobody looks at."""
    monkeypatch.setattr(architectures, "FRAME", (1, 3, 16, 16))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    y, x = np.mgrid[0:64, 0:64]
    picture = np.stack([128 + 100 * np.sin((x + slope * y) / 9) for slope in (0, 1, 2)], axis=2)
    Image.fromarray(picture.astype(np.uint8)).save(folder / "waves.png")
    return folder


@pytest.fixture
def pairs(photos: Path) -> Pairs:
    return load_pairs(photos, scale=SCALE)


def config(steps: int) -> Config:
    return Config(
        scale=SCALE,
        feature_count=1,
        conv_count=0,
        seed=3,
        steps=steps,
        batch_size=2,
        crop_px=16,
        recolour=0,
        learning_rate=1,
        warmup_steps=1,
        ema_decay=0.5,
        charbonnier_epsilon=0.001,
        bf16=True,
    )


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)
def test_every_candidate_enlarges_learns_and_is_measured(candidate: Candidate, photos: Path, pairs: Pairs) -> None:
    few, more = (fit(candidate, config(steps), pairs) for steps in (1, 12))

    before, after = (measured(candidate, state, stills=photos, scale=SCALE) for state in (few, more))

    assert after.psnr_db > before.psnr_db
    assert after.kmacs == before.kmacs > 0
    assert after.parameters == sum(parameter.numel() for parameter in candidate.build(SCALE).parameters())


def test_candidates_of_a_size_cost_about_the_same() -> None:
    """Else their decibels would say nothing of the kind of network."""
    small = [each for each in CANDIDATES if each.name != "compact 48×10"]

    costs = [count_macs(each.build(SCALE).eval()) for each in small]

    assert max(costs) < 1.2 * min(costs)

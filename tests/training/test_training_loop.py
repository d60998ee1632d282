"""Training: resumable to the very same state, and what it exports is what it averaged."""

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from sr_core.models.compact import Compact, from_state
from training import train as training
from training.data import Pairs, load_pairs
from training.export import describe, export
from training.train import Config, State, begin, learning_rate, load, save, train, train_step


@pytest.fixture
def config() -> Config:
    return Config(
        scale=2,
        feature_count=4,
        conv_count=1,
        seed=3,
        steps=3,
        batch_size=2,
        crop_px=8,
        recolour=0.25,
        learning_rate=0.002,
        warmup_steps=1,
        ema_decay=0.9,
        charbonnier_epsilon=0.001,
        bf16=False,
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photographs of soft coloured discs: something to learn from."""
    folder = tmp_path / "photos"
    folder.mkdir()
    y, x = np.mgrid[0:48, 0:48]
    for index in range(3):
        distance = np.hypot(y - 16 - 6 * index, x - 30 + 5 * index)
        channels = [np.clip(128 + (12 - distance) * slope, 0, 255) for slope in (30, 60, -90)]
        Image.fromarray(np.stack(channels, axis=2).astype(np.uint8)).save(folder / f"disc-{index}.png")
    return folder


@pytest.fixture
def pairs(photos: Path) -> Pairs:
    return load_pairs(photos, scale=2)


def read_log(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def assert_same_state(first: State[Compact], second: State[Compact]) -> None:
    assert first.step == second.step
    for a, b in ((first.network, second.network), (first.average, second.average)):
        assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    moments_a, moments_b = first.optimiser.state_dict()["state"], second.optimiser.state_dict()["state"]
    assert moments_a.keys() == moments_b.keys()
    for key, moment in moments_a.items():
        assert all(torch.equal(value, moments_b[key][name]) for name, value in moment.items())


@pytest.mark.parametrize("bf16", [False, True])
def test_a_resumed_run_ends_in_the_state_of_an_uninterrupted_one(
    config: Config, pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bf16: bool
) -> None:
    config = config.model_copy(update={"bf16": bf16})
    uninterrupted = train(config, pairs, tmp_path / "whole", stills=None, save_every=1)

    # Given a run that was killed in its third step
    def killed(state: State[Compact], config: Config, pairs: Pairs) -> float:
        if state.step == 2:
            raise KeyboardInterrupt
        return train_step(state, config, pairs)

    with monkeypatch.context() as patch:
        patch.setattr(training, "train_step", killed)
        with pytest.raises(KeyboardInterrupt):
            train(config, pairs, tmp_path / "parts", stills=None, save_every=1)
    # When the same call is made again
    resumed = train(config, pairs, tmp_path / "parts", stills=None, save_every=1)
    # Then the state is that of the run that was left alone
    assert_same_state(resumed, uninterrupted)
    assert [line["step"] for line in read_log(tmp_path / "parts")] == [1, 2, 3]


def test_a_checkpoint_holds_the_whole_state(config: Config, pairs: Pairs, tmp_path: Path) -> None:
    state = begin(config)
    train_step(state, config, pairs)
    save(state, config, tmp_path / "checkpoint.pt")
    loaded, made_with = load(tmp_path / "checkpoint.pt")
    assert made_with == config
    assert_same_state(loaded, state)


def test_a_finished_run_is_left_as_it_is(config: Config, pairs: Pairs, tmp_path: Path) -> None:
    finished = train(config, pairs, tmp_path, stills=None, save_every=2)
    assert_same_state(train(config, pairs, tmp_path, stills=None, save_every=2), finished)


def test_a_checkpoint_of_another_configuration_is_refused_by_what_differs(
    config: Config, pairs: Pairs, tmp_path: Path
) -> None:
    train(config, pairs, tmp_path, stills=None, save_every=3)
    with pytest.raises(ValueError, match=r"\(seed\)"):
        train(config.model_copy(update={"seed": 4}), pairs, tmp_path, stills=None, save_every=3)


def test_training_brings_the_network_nearer_to_the_photographs(config: Config, pairs: Pairs) -> None:
    config = config.model_copy(update={"steps": 150, "recolour": 0})
    state = begin(config)
    losses = [train_step(state, config, pairs) for _ in range(config.steps)]
    assert sum(losses[-20:]) < 0.8 * sum(losses[:20])


def test_the_first_output_is_close_to_the_nearest_neighbour(config: Config) -> None:
    network = begin(config).network
    image = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    nearest = image.repeat_interleave(2, 2).repeat_interleave(2, 3)
    with torch.inference_mode():
        difference = float((network(image) - nearest).abs().max())
    assert 0 < difference < 0.1


def test_the_learning_rate_rises_then_falls_to_zero(config: Config) -> None:
    config = config.model_copy(update={"steps": 110, "warmup_steps": 10})
    assert learning_rate(config, 0) == pytest.approx(0.0002)
    assert learning_rate(config, 10) == pytest.approx(0.002)
    assert learning_rate(config, 60) == pytest.approx(0.001)
    assert learning_rate(config, 110) == pytest.approx(0, abs=1e-12)


def test_the_exported_file_is_the_average_and_says_what_it_is(config: Config, pairs: Pairs, tmp_path: Path) -> None:
    state = train(config, pairs, tmp_path, stills=None, save_every=3)
    date = datetime.date(2026, 1, 2)
    metadata = describe(state, config, licence="Apache-2.0", command="make it", date=date, stills=[])
    path = tmp_path / "weights" / "tiny.safetensors"
    export(state, path, metadata=metadata)

    network = from_state(load_file(path))
    image = torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(1))
    assert torch.equal(network(image), state.average(image))
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {
            "architecture": "compact",
            "scale": "2",
            "feature_count": "4",
            "conv_count": "1",
            "kind": "clean",
            "licence": "Apache-2.0",
            "training_command": "make it",
            "training_steps": "3",
            "date": "2026-01-02",
        }
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


def test_the_command_trains_and_measures_the_stills(
    config: Config, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text(config.model_dump_json())
    command = f"--config {tmp_path}/config.json --out {tmp_path}/run --photos {photos} --stills {photos} --save-every 2"
    training.main(command.split())
    lines = read_log(tmp_path / "run")
    assert [line["step"] for line in lines] == [2, 3]
    assert all(line["psnr_db"] > 20 for line in lines)
    assert isinstance(load(tmp_path / "run" / "checkpoint.pt")[0].average, Compact)
    assert "step 3" in capsys.readouterr().out


def test_a_misspelt_setting_is_named(config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config.model_dump() | {"batchsize": 3}))
    with pytest.raises(SystemExit):
        training.main(["--config", str(tmp_path / "config.json"), "--out", str(tmp_path / "run")])
    assert "batchsize" in capsys.readouterr().err

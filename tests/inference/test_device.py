"""Which device is used, and what is said when it is not there."""

import os

import pytest
import torch

from sr_core.errors import InputError, TransientError
from sr_core.inference import FrameUpscaler, choose_device
from sr_core.inference.device import fingerprint, worker_count
from sr_core.planning import make_plan
from sr_core.types import Execution, Settings
from tests import builders

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


@without_gpu
def test_without_a_gpu_auto_means_the_cpu() -> None:
    assert choose_device(Settings()) == "cpu"


@without_gpu
def test_asking_for_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="no CUDA device is available here"):
        choose_device(Settings(device="cuda"))


@without_gpu
def test_where_a_plans_gpu_does_not_answer_another_machines_may() -> None:
    plan = make_plan(builders.request(Settings(device="cuda")), builders.model(), builders.video())

    with pytest.raises(TransientError, match="planned for a GPU, and none answers here"):
        FrameUpscaler(plan, None)


def test_a_fingerprint_on_a_gpu_names_the_tile_in_use_and_what_holds_the_kernels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given a plan for a GPU, and a stand-in for asking it
    monkeypatch.setattr("sr_core.inference.device.device_name", lambda _device: "Tesla T4")
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: (7, 5))
    execution = Execution(device="cuda", precision="fp16", tile_px=None, halo_px=18, batch_frames=1)

    # When memory allowed only tiles of 320 px there
    found = dict(fingerprint(execution, tile_px=320))

    # Then the fingerprint says so, and names the builds
    assert found["device"] == "cuda Tesla T4"
    assert found["tile_px"] == "320"
    assert found["compute_capability"] == "7.5"
    assert {"cuda", "cudnn", "driver"} <= found.keys()


def test_a_fingerprint_on_a_cpu_is_that_of_the_plan() -> None:
    execution = Execution(device="cpu", precision="bf16", tile_px=640, halo_px=18, batch_frames=1)

    assert dict(fingerprint(execution, tile_px=320))["tile_px"] == "640"
    assert worker_count(execution) == len(os.sched_getaffinity(0))
    assert worker_count(execution.model_copy(update={"device": "cuda"})) == 3

"""`sr serve` as a process of its own, over HTTP: the pixels are the engine's, and SIGTERM answers what is in hand."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from sr_core.cli.main import main
from sr_core.cli.parser import parse
from sr_core.contract import ENV_SCRATCH, ENV_SERVE, ExitCode
from sr_core.inference.color import planes_to_rgb, rgb_to_planes
from sr_core.inference.engine import Engine
from sr_core.models.catalogue import describe_shipped
from sr_core.models.loading import load
from sr_core.types import ColorInfo, Execution

from .stills import ask, file_of, image, opened

MODEL = "compact-x2"


@dataclass
class Server:
    """`sr serve`, called as SageMaker does: with that argument alone."""

    process: "subprocess.Popen[bytes]"
    address: str
    scratch: Path
    log: Path

    def stop(self) -> int:
        """Asks it to stop, and returns its exit code."""
        self.process.terminate()
        return self.process.wait(60)


def start(folder: Path) -> Server:
    scratch, log = folder / "scratch", folder / "log"
    scratch.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {
        ENV_SERVE: f"--port {port} --model {MODEL} --precision fp32",
        ENV_SCRATCH: str(scratch),
    }
    with log.open("wb") as stderr:
        process = subprocess.Popen([str(Path(sys.executable).with_name("sr")), "serve"], env=environment, stderr=stderr)
    while "ready" not in log.read_text():
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    return Server(process, f"http://127.0.0.1:{port}", scratch, log)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all tests here: it takes seconds to start."""
    running = start(tmp_path_factory.mktemp("served"))
    yield running
    running.stop()
    assert list(running.scratch.iterdir()) == [], "nothing is left behind"


def engines(samples: np.ndarray) -> np.ndarray:
    """What the engine makes of (height, width, 3) as a whole."""
    spec = describe_shipped(MODEL)
    execution = Execution(device="cpu", precision="fp32", tile_px=None, halo_px=spec.radius_px, batch_frames=1)
    color = ColorInfo(matrix="rgb", range="full", primaries=2, transfer=2)
    planes = [torch.from_numpy(samples[..., index].copy()).unsqueeze(0) for index in (1, 2, 0)]
    rgb = planes_to_rgb(planes, chroma="rgb", bit_depth=8, color=color)
    out = Engine(load(spec), execution, scale=spec.scale).upscale_rgb(rgb)
    green, blue, red = (plane[0].numpy() for plane in rgb_to_planes(out, chroma="rgb", bit_depth=8, color=color))
    return np.stack([red, green, blue], axis=-1)


def test_a_still_served_is_what_the_engine_computes(server: Server) -> None:
    # Given a picture with transparency
    given = image("RGBA", size=(90, 50))
    samples = np.asarray(given)

    # When it is upscaled by the server
    answer = ask(f"{server.address}/invocations", file_of(given))

    # Then its colours are the engine's to the last bit, and its transparency what the engine makes of that as grey
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
    result = np.asarray(opened(answer.body))
    assert result.shape == (100, 180, 4)
    assert np.array_equal(result[..., :3], engines(samples[..., :3]))
    alpha = engines(np.repeat(samples[..., 3:], 3, axis=2)).astype(int)
    assert abs(result[..., 3] - alpha.mean(axis=-1)).max() <= 2


def test_a_picture_of_one_pixel_is_upscaled(server: Server) -> None:
    answer = ask(f"{server.address}/invocations", file_of(image(size=(1, 1))))

    assert opened(answer.body).size == (2, 2)


def test_a_result_wider_than_is_made_is_refused(server: Server) -> None:
    answer = ask(f"{server.address}/invocations", file_of(image(size=(8193, 1))))

    assert (answer.status, answer.message) == (
        400,
        "the result would be 16386×2, over the limit of 16384 px a side; cut the picture",
    )


def test_sigterm_answers_what_is_in_hand_and_ends_well(server: Server) -> None:
    # Given a request that takes its time
    with ThreadPoolExecutor(1) as client:
        answer = client.submit(ask, f"{server.address}/invocations", file_of(image(size=(500, 400))))
        while not list(server.scratch.glob("*/*/picture")):
            time.sleep(0.005)

        # When the server is told to stop
        code = server.stop()

        # Then the request is answered, and it was no failure
        assert answer.result().status == 200
    assert code == ExitCode.OK
    assert "stopped; what was in hand is answered" in server.log.read_text()


def test_a_place_that_is_taken_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code = main(["serve", "--port", str(taken.getsockname()[1])])

    assert code == ExitCode.INPUT
    assert "cannot be served" in capsys.readouterr().err


def test_options_in_the_environment_come_before_those_that_are_typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(ENV_SERVE, "--port 8081 --model 'a name'")
    options = parse(["serve", "--port", "8082"])
    assert (options.port, options.model) == (8082, "a name")

    monkeypatch.setenv(ENV_SERVE, "--port 70000")
    assert main(["serve"]) == ExitCode.INPUT
    assert "'70000' is not a port from 1 to 65535" in capsys.readouterr().err

    monkeypatch.setenv(ENV_SERVE, "--model 'open")
    assert main(["serve"]) == ExitCode.INPUT
    assert "SR_SERVE: No closing quotation; write options as a shell takes them" in capsys.readouterr().err

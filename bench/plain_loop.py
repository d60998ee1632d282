"""The loop that common scripts use, to be compared with: one frame after another, nothing overlapped.

Decode a frame to RGB, make a float tensor, run the network in fp32 (contiguous, all cores on one frame), bring the
result to numpy, clip, round, and write it into a pipe to the ffmpeg command. Written anew, after the flow of
Real-ESRGAN's video script; the network is BasicSR's own class where that package is installed, else this package's,
which has the same layers in the same order.

It runs in a process of its own, with torch's and the C library's settings as they come: ``python -m bench.plain_loop
CLIP OUTPUT MODEL FRAMES CRF PRESET DEVICE`` prints the seconds that the loop took, start-up not counted.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import torch
from torch import nn

from sr_core.errors import InputError
from sr_core.models.catalogue import shipped
from sr_core.models.compact import Compact
from sr_core.models.describe import describe
from sr_core.models.loading import load
from sr_core.models.zoo import quietly, stand_in_for_torchvision


def network_of(compact: Compact) -> tuple[nn.Module, str]:
    """The network as BasicSR builds it, with the same weights, and where its class is from."""
    try:
        stand_in_for_torchvision()
        with quietly():
            from basicsr.archs.srvgg_arch import SRVGGNetCompact
    except (ImportError, InputError):
        return compact.float().eval(), "sr_core"
    network: nn.Module = SRVGGNetCompact(
        num_in_ch=3,
        num_out_ch=3,
        num_feat=compact.feature_count,
        num_conv=compact.conv_count,
        upscale=compact.scale,
        act_type="prelu",
    )
    network.load_state_dict(compact.state_dict())
    return network.eval(), "basicsr"


@torch.inference_mode()
def plain_loop(
    source: Path, output: Path, network: nn.Module, *, frames: int, crf: int, preset: str, device: str = "cpu"
) -> None:
    """Upscales the first `frames` frames of `source` into an H.264 file."""
    network = network.to(device)
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        rate = Fraction(stream.average_rate or 25)
        pipe: subprocess.Popen[bytes] | None = None
        for frame in islice(container.decode(stream), frames):
            picture = frame.to_ndarray(format="rgb24").astype(np.float32) / 255.0
            batch = torch.from_numpy(np.transpose(picture, (2, 0, 1))).unsqueeze(0).to(device)
            result = network(batch).squeeze(0).float().cpu().clamp_(0, 1).numpy()
            upscaled = (np.transpose(result, (1, 2, 0)) * 255.0).round().astype(np.uint8)
            if pipe is None:
                pipe = _encoder(output, upscaled.shape[1], upscaled.shape[0], rate, crf=crf, preset=preset)
            assert pipe.stdin is not None
            pipe.stdin.write(upscaled.tobytes())
    assert pipe is not None, "the clip has frames"
    pipe.communicate()
    if pipe.returncode:
        raise RuntimeError(f"ffmpeg ended with {pipe.returncode}")


def _encoder(
    output: Path, width: int, height: int, rate: Fraction, *, crf: int, preset: str
) -> "subprocess.Popen[bytes]":
    command = [
        *(imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(rate), "-i", "pipe:0"),
        *("-c:v", "libx264", "-crf", str(crf), "-preset", preset, "-pix_fmt", "yuv420p", str(output)),
    ]
    return subprocess.Popen(command, stdin=subprocess.PIPE)


def plain_seconds(source: Path, output: Path, model: str, *, frames: int, crf: int, preset: str, device: str) -> float:
    """Seconds that `plain_loop` took in a process of its own."""
    arguments = [source, output, model, frames, crf, preset, device]
    outcome = subprocess.run(
        [sys.executable, "-m", "bench.plain_loop", *map(str, arguments)],
        cwd=Path(__file__).parents[1],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return float(outcome.stdout)


def _main(arguments: Sequence[str]) -> int:
    source, output, model, frames, crf, preset, device = arguments
    network = load(describe(model), None if model in shipped() else Path(model))
    if isinstance(network, Compact):
        network, _ = network_of(network)
    if device != "cpu":  # the libraries of a GPU are loaded by the first picture
        with torch.inference_mode():
            network.to(device)(torch.zeros(1, 3, 64, 64, device=device)).cpu()
    started = time.monotonic()
    plain_loop(Path(source), Path(output), network, frames=int(frames), crf=int(crf), preset=preset, device=device)
    print(time.monotonic() - started)
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))

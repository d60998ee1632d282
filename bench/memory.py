"""Whether memory and disk use grow with a video's length: ``python -m bench.memory [--frames N] [--json FILE]``.

Two clips of the same picture, one ten times as long, go through `sr run`, and through extract, upscale and assemble as
commands of their own, with a tiny network, so that most of the time goes into everything around it. The figure is each
process's largest resident set, as the kernel counted it. While `sr run` works, the files in its work folder are summed
over and over; the most that they were is held against source, chunks, segments and result together.
"""

import argparse
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from bench.clips import reference_clip, write_clip
from bench.command import Cost, sr
from bench.machine import describe, machine, write_results
from sr_core import layout
from sr_core.contract import REQUEST_KEY, Stage
from sr_core.manifest import Manifest
from sr_core.models.compact import Compact
from sr_core.request import make_request
from sr_core.storage import open_store
from sr_core.types import Settings

CLAIM = 1.10
"""Peak memory of the long video over the short one's."""
LENGTHS = (1, 10)
PARTS = ("run", *(str(stage) for stage in (Stage.EXTRACT, Stage.UPSCALE, Stage.ASSEMBLE)))
_CLIP = "realshort.mp4"
_SIZE_PX = (320, 240)
_PRESET = "veryfast"
_POLL_SECONDS = 0.02
_MB = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUse:
    """What lay on the disk, and what the design allows."""

    source_bytes: int
    chunk_bytes: int
    segment_bytes: int
    result_bytes: int
    peak_bytes: int
    """Most that lay in the work folder at once while `sr run` worked."""

    @property
    def allowed_bytes(self) -> int:
        return self.source_bytes + self.chunk_bytes + self.segment_bytes + self.result_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One clip through everything."""

    frames: int
    peak_memory_bytes: dict[str, int]
    """By the names of `PARTS`."""
    disk: DiskUse


def growth(short: Measured, long: Measured) -> dict[str, float]:
    """Peak memory of the long clip over the short one's, by the names of `PARTS`."""
    return {part: long.peak_memory_bytes[part] / short.peak_memory_bytes[part] for part in PARTS}


def measure(clip: Path, folder: Path, *, frames: int, model: Path) -> Measured:
    """Sends a clip through `sr run` and through the stages.

    Args:
        folder: an empty folder.
        frames: how many the clip has.
    """
    output, work = folder / "out.mp4", folder / "work"
    work.mkdir()
    with _watch(work) as peak:
        costs = {"run": sr("run", clip, "-o", output, "--work-dir", work, "--model", model, "--preset", _PRESET)}
    manifest = _submit(clip, folder, model)
    costs |= _run_stages(manifest)
    sizes = {
        prefix: sum(info.size_bytes for info in manifest.store.list(prefix))
        for prefix in (layout.data_prefix(Stage.EXTRACT), layout.data_prefix(Stage.UPSCALE))
    }
    return Measured(
        frames=frames,
        peak_memory_bytes={part: cost.peak_memory_bytes for part, cost in costs.items()},
        disk=DiskUse(
            source_bytes=clip.stat().st_size,
            chunk_bytes=sizes[layout.data_prefix(Stage.EXTRACT)],
            segment_bytes=sizes[layout.data_prefix(Stage.UPSCALE)],
            result_bytes=output.stat().st_size,
            peak_bytes=peak(),
        ),
    )


def _submit(clip: Path, folder: Path, model: Path) -> Manifest:
    """A job folder with nothing but its request and its network."""
    settings = Settings(model=str(model), preset=_PRESET)
    request, weights = make_request(str(clip), str(folder / "staged.mp4"), settings)
    assert request.model is not None, "the network is described"
    assert request.model.stored_key is not None, "it was given by its path"
    assert weights is not None, "it was given by its path"
    manifest = Manifest(open_store(str(folder / "job")))
    manifest.store.put(request.model.stored_key, weights, sha256=request.model.sha256)
    manifest.store.put_bytes(REQUEST_KEY, request.to_json())
    return manifest


def _run_stages(manifest: Manifest) -> dict[str, Cost]:
    job = manifest.store.uri
    costs = {str(Stage.EXTRACT): sr(Stage.EXTRACT, "--job", job)}
    chunks = [sr(Stage.UPSCALE, "--job", job, "--chunk", str(chunk.index)) for chunk in manifest.plan().chunks]
    costs[str(Stage.UPSCALE)] = max(chunks, key=lambda cost: cost.peak_memory_bytes)
    costs[str(Stage.ASSEMBLE)] = sr(Stage.ASSEMBLE, "--job", job)
    return costs


class _Peak:
    """Sums the files of a folder over and over, in a thread, and keeps the largest sum."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stopped = threading.Event()
        self._peak_bytes = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stopped.wait(_POLL_SECONDS):
            self._peak_bytes = max(self._peak_bytes, folder_bytes(self._folder))

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def __call__(self) -> int:
        return self._peak_bytes


@contextmanager
def _watch(folder: Path) -> Iterator[_Peak]:
    peak = _Peak(folder)
    try:
        yield peak
    finally:
        peak.stop()


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder. A file with several names counts once; one that vanishes does not."""
    found: dict[int, int] = {}
    for path in folder.rglob("*"):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        if path.is_file():
            found[status.st_ino] = status.st_size
    return sum(found.values())


def tiny_network(path: Path) -> Path:
    """Writes a ×2 network of 8 features and one inner convolution that passes the picture on unchanged."""
    network = Compact(scale=2, feature_count=8, conv_count=1)
    save_file({name: torch.zeros_like(tensor) for name, tensor in network.state_dict().items()}, path)
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; returns 1 when the claim does not hold."""
    options = _parser().parse_args(arguments)
    facts = machine()
    print(describe(facts))
    source = reference_clip(_CLIP)
    measured = []
    for length in LENGTHS:
        with tempfile.TemporaryDirectory(prefix="sr-bench-", dir=options.folder) as name:
            folder, frames = Path(name), options.frames * length
            clip = write_clip(folder / "clip.mp4", source, frames=frames, size_px=_SIZE_PX, sound=True)
            model = tiny_network(folder / "tiny.safetensors")
            measured.append(measure(clip, folder, frames=frames, model=model))
    short, long = measured
    print(f"{'peak memory, MB':<16} {short.frames:>6} frames {long.frames:>6} frames   ratio")
    for part, ratio in growth(short, long).items():
        before, after = (each.peak_memory_bytes[part] / _MB for each in measured)
        print(f"{part:<16} {before:>13.1f} {after:>13.1f}   {ratio:.3f}")
    print(
        f"{'work folder, MB':<16} {'source':>7} {'chunks':>7} {'segments':>9} {'result':>7} {'allowed':>8} {'peak':>7}"
    )
    for each in measured:
        disk = each.disk
        parts = (disk.source_bytes, disk.chunk_bytes, disk.segment_bytes, disk.result_bytes, disk.allowed_bytes)
        texts = (f"{value / _MB:.2f}" for value in (*parts, disk.peak_bytes))
        print("{:<16} {:>7} {:>7} {:>9} {:>7} {:>8} {:>7}".format(f"{each.frames} frames", *texts))
    in_memory = all(ratio <= CLAIM for ratio in growth(short, long).values())
    on_disk = all(each.disk.peak_bytes <= each.disk.allowed_bytes for each in measured)
    print(f"claim: no ratio above {CLAIM}: {'holds' if in_memory else 'DOES NOT HOLD'}")
    print(f"claim: peak within source + chunks + segments + result: {'holds' if on_disk else 'DOES NOT HOLD'}")
    if options.json:
        results = [asdict(each) | {"allowed_bytes": each.disk.allowed_bytes} for each in measured]
        write_results(
            options.json,
            facts,
            {"claim": CLAIM, "holds": in_memory and on_disk, "growth": growth(short, long), "clips": results},
        )
    return 0 if in_memory and on_disk else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=300, metavar="N", help="of the shorter clip (%(default)s)")
    parser.add_argument("--folder", metavar="DIR", help="where the clips and jobs lie meanwhile")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    return parser


if __name__ == "__main__":
    sys.exit(main())

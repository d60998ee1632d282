"""How fast each delivery encoder is: ``python -m bench.encoders [--codec C] [--preset P] [--clip NAME] [--json FILE]``.

Two reference clips are enlarged by `sr run` to 1280×960 and 1280×544, without loss, at 8 and at 10 bits. Their frames
are held in memory and encoded in this process by the pipeline's own writer, set as `delivery.delivery_encoding` sets
it, at the default quality. Fuller chroma is made of 4:2:0 by swscale. Rates are of pixels of the picture, and are
compared with x264 `medium` at 8 bits and 4:2:0, measured again after every few others (`bench.encoder_cases`).

`--codec`, `--preset` and `--clip` choose a part, and `--json` takes it into what the file holds already: all of it
takes ten minutes. What was disturbed by other work is measured once more. Without the reference media nothing is
measured: ratios depend on the picture, and a made one has none of a photograph's detail.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, cast, get_args

import av

from bench.clips import pictures_of, reference_clip
from bench.command import sr
from bench.encoder_cases import FRAMES, HEADER, Case, cases, factors, in_turns, merged, relative_rates
from bench.job import measured
from bench.machine import describe, machine, write_results
from bench.rounds import MOST_DISTURBANCE, Run
from sr_core.delivery import delivery_encoding, output_color, output_format
from sr_core.models.catalogue import recommended
from sr_core.types import Codec, VideoInfo
from sr_core.video.frames import Planes, from_av
from sr_core.video.probe import probe
from sr_core.video.read import decoded
from sr_core.video.write import SegmentWriter

CLIPS = {"realshort.mp4": 4, "bikes.mp4": 2}
"""By name, how many times as wide they become."""
_DEPTHS = {8: "yuv420p", 10: "yuv420p10le"}


class Clip:
    """A clip enlarged as a job would, and its frames in whatever format an encoder wants.

    Args:
        source: any video.
        folder: for what is written meanwhile.
        scale: of the network that ships.
        frames: how many; the source is played forward and backward until there are enough.
    """

    def __init__(self, source: Path, folder: Path, *, scale: int, frames: int = FRAMES) -> None:
        self._source, self._folder, self._model, self._frame_count = source, folder, recommended(scale), frames
        self.video: VideoInfo = probe(self._enlarged(8))
        self._held: dict[str, list[Planes]] = {}

    def _enlarged(self, bit_depth: int) -> Path:
        """The result of `sr run` of that depth, made when it is first asked for."""
        result = self._folder / f"enlarged-{bit_depth}.mkv"
        if not result.exists():
            plain = self._folder / f"plain-{bit_depth}.mkv"
            _write_lossless(plain, self._source, _DEPTHS[bit_depth], frames=self._frame_count)
            sr("run", plain, "-o", result, "--codec", "ffv1", "--model", self._model)
        return result

    @property
    def pixels(self) -> int:
        """Of an enlarged frame."""
        return self.video.width_px * self.video.height_px

    def run(self, case: Case) -> Run:
        """Encodes as the case says, once more if other work disturbed it, and tells how fast that was."""
        settings, video = case.settings(), case.source(self.video)
        width, height = video.width_px, video.height_px
        encoding = delivery_encoding(settings, video, width_px=width, height_px=height)
        color = output_color(settings, video)
        frames = self._frames(output_format(settings, video), case)

        def encode() -> None:
            path = self._folder / "encoded.mkv"
            with SegmentWriter(
                path, encoding, width_px=width, height_px=height, rate=video.rate, color=color
            ) as writer:
                for frame in frames:
                    writer.write(frame)

        run = measured(encode, frames=len(frames))
        if run.others_busy > MOST_DISTURBANCE:
            run = min(run, measured(encode, frames=len(frames)), key=lambda each: each.others_busy)
        return run

    def _frames(self, pixel_format: str, case: Case) -> list[Planes]:
        """The first of the clip. Kept are the reference's, and of the rest what was asked for last."""
        if len(self._held.get(pixel_format, ())) < case.frames:
            self._held = {name: held for name, held in self._held.items() if name == _DEPTHS[8]}
            found = islice(decoded(self._enlarged(case.bit_depth)), case.frames)
            self._held[pixel_format] = [from_av(frame.reformat(format=pixel_format)) for frame in found]
        return self._held[pixel_format][: case.frames]


def _write_lossless(path: Path, source: Path, pixel_format: str, *, frames: int) -> None:
    """The source's picture in FFV1: a job's result has then as many bits as `pixel_format` has, all of them used."""
    pictures, (width, height), rate = pictures_of(source)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        for index, picture in enumerate(islice(pictures, frames)):
            frame = av.VideoFrame.from_ndarray(cast(Any, picture), format="yuv420p").reformat(format=pixel_format)
            frame.pts, frame.time_base = index, 1 / Fraction(rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def measure(source: Path, chosen: Sequence[Case], *, scale: int) -> Iterator[dict[str, Any]]:
    """Measures the cases on one clip and prints each figure; yields what is written down of each."""
    with tempfile.TemporaryDirectory(prefix="sr-bench-") as folder:
        clip = Clip(source, Path(folder), scale=scale)
        size = f"{clip.video.width_px}×{clip.video.height_px}"
        print(f"{source.name}, {size}\n{HEADER}", flush=True)
        for each in in_turns(clip.run, chosen, pixels=clip.pixels):
            print(each.line(), flush=True)
            facts = machine()
            yield {"clip": source.name, "size": size, **each.as_json(), "cpu": facts["cpu"], "date": facts["date"]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the tables; always 0, because nothing is claimed."""
    options = _parser().parse_args(arguments)
    facts = machine()
    print(describe(facts))
    chosen = [
        case
        for codec in options.codec or get_args(Codec)
        for case in cases(codec)
        if case.preset in (options.preset or [case.preset])
    ]
    kept = options.json is not None and options.json.exists()
    figures: list[Mapping[str, Any]] = json.loads(options.json.read_text())["figures"] if kept else []
    for name in options.clip or CLIPS:
        source = reference_clip(name)
        if source is None:
            print(f"{name}: skipped, not among the reference media; set SR_REFERENCE_MEDIA", flush=True)
            continue
        for figure in measure(source, chosen, scale=CLIPS[name]):
            figures = merged(figures, [figure])
            if options.json:
                write_results(options.json, facts, {"figures": figures})
    rates = relative_rates(figures)
    for (codec, preset, bit_depth, chroma), rate in rates.items():
        print(f"{codec:<7} {preset:<10} {bit_depth:>4} {chroma:>6} {rate:>9.3f}")
    for (codec, bit_depth, chroma), factor in factors(rates).items():
        print(f"{codec:<7} {bit_depth} bits, {chroma}: {factor:.2f} of the rate at 8 bits, 420")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.encoders", description=__doc__.splitlines()[0])
    parser.add_argument("--codec", action="append", choices=get_args(Codec), help="may be repeated (all)")
    parser.add_argument("--preset", action="append", metavar="P", help="or ProRes' profile; may be repeated (all)")
    parser.add_argument("--clip", action="append", choices=[*CLIPS], help="may be repeated (both)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="take what was measured into this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())

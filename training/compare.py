"""Every network that ships beside bicubic, Lanczos and the reference weights: ``python -m training.compare``.

Owns who is compared with whom on what, and the report: tables as Markdown and JSON, contact sheets, and whether the
figures that are promised hold. How is measured is `evaluate`'s and `clips`' business.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sr_core.inference.picture import busiest
from sr_core.models.catalogue import describe_shipped, shipped
from sr_core.models.describe import describe
from sr_core.models.loading import load
from training import clips, evaluate
from training.clips import CLIPS, CRFS, Clip, ClipScore, Frames, Source
from training.data import read_image, reference_media
from training.pictures import sheet

REFERENCES = {
    "animevideov3": "realesr-animevideov3.pth",
    "general-x4v3": "general_x4_v3_from_ncnn.pth",
}
"""In the folder of reference weights; both enlarge four times, and are halved where two times are asked for."""
RIVAL = "animevideov3"
LEAST_NEG_GAIN = {2: 1.5, 4: 6.5}
"""Of a video network over Lanczos, mean VMAF-NEG, by scale."""
CROP_PX = 96

Method = Callable[[Frames], Frames]


class Halved(nn.Module):
    """A network of twice the scale, its result averaged over squares of two."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, 3, H · scale / 2, W · scale / 2)."""
        return F.avg_pool2d(self.network(x).float(), 2)


def networks(scale: int, media: Path) -> dict[str, nn.Module]:
    """The networks that ship for a scale and the reference weights that are there, fp32, by name."""
    found: dict[str, nn.Module] = {
        name: load(describe_shipped(name)) for name, entry in shipped().items() if entry.scale == scale
    }
    for name, file in REFERENCES.items():
        path = media / "weights" / file
        if path.is_file():
            network = load(describe(str(path)), path)
            found[name] = network if scale == 4 else Halved(network)
    return found


def compare_stills(found: dict[str, nn.Module], stills: Path, *, scale: int) -> dict[str, dict[str, evaluate.Score]]:
    """Scores by method and still."""
    methods = {"bicubic": evaluate.by_bicubic(scale), "lanczos": evaluate.by_lanczos(scale)}
    methods |= {name: evaluate.by_network(network) for name, network in found.items()}
    return {name: evaluate.score_folder(stills, method, scale=scale) for name, method in methods.items()}


def compare_clips(
    found: dict[str, nn.Module], videos: Path, *, scale: int, wanted: tuple[Clip, ...], crfs: tuple[int, ...]
) -> tuple[dict[str, dict[str, ClipScore]], dict[str, dict[str, Tensor]]]:
    """Scores by method and clip, and crops by clip and method, from the middle of each clip at the last of `crfs`."""
    methods: dict[str, Method] = {
        "bicubic": lambda small: clips.enlarge_by_filter(small, scale=scale, flags="bicubic"),
        "lanczos": lambda small: clips.enlarge_by_filter(small, scale=scale, flags="lanczos"),
    }
    for name, network in found.items():
        methods[name] = _by(network)
    scores: dict[str, dict[str, ClipScore]] = {name: {} for name in methods}
    crops: dict[str, dict[str, Tensor]] = {}
    with tempfile.TemporaryDirectory(prefix="sr-compare-") as folder:
        for crf in crfs:
            for clip in wanted:
                source = clips.prepare(videos, clip, scale=scale, crf=crf, scratch=Path(folder))
                results = {name: method(source.small) for name, method in methods.items()}
                for name, result in results.items():
                    scores[name][source.name] = clips.score(source.original, result, scratch=Path(folder))
                if crf == crfs[-1]:
                    crops[source.name] = _crops(source, results)
                print(source.name, flush=True)
    return scores, crops


def verdict(scores: dict[str, dict[str, ClipScore]], name: str, *, scale: int) -> dict[str, bool]:
    """Whether a video network keeps what is promised of it."""
    ours, lanczos = scores[name], scores["lanczos"]
    mean, base = clips.mean(ours), clips.mean(lanczos)
    kept = {
        f"VMAF-NEG at least Lanczos + {LEAST_NEG_GAIN[scale]}": mean.vmaf_neg >= base.vmaf_neg + LEAST_NEG_GAIN[scale],
        "VMAF-NEG above Lanczos on every clip": all(ours[c].vmaf_neg > lanczos[c].vmaf_neg for c in ours),
        "PSNR-Y not below Lanczos": mean.psnr_y_db >= base.psnr_y_db,
    }
    if RIVAL in scores:
        rival = clips.mean(scores[RIVAL])
        kept[f"above {RIVAL} in both"] = mean.vmaf_neg > rival.vmaf_neg and mean.psnr_y_db > rival.psnr_y_db
    return kept


def _by(network: nn.Module) -> Method:
    # bf16 as the pipeline does on this kind of machine; elsewhere it would be slower than fp32
    is_fast = torch.backends.cpu.get_cpu_capability() == "AVX512"
    dtype = torch.bfloat16 if is_fast else torch.float32
    return lambda small: clips.enlarge_by_network(network, small, dtype=dtype)


def _crops(source: Source, results: dict[str, Frames]) -> dict[str, Tensor]:
    middle = len(source.original) // 2
    original = clips.frame_rgb(source.original[middle])
    left, top = _busiest_square(original)
    images = {"original": original} | {name: clips.frame_rgb(result[middle]) for name, result in results.items()}
    return {name: image[:, top : top + CROP_PX, left : left + CROP_PX] for name, image in images.items()}


def _busiest_square(image: Tensor) -> tuple[int, int]:
    side = min(CROP_PX, *image.shape[1:])
    return busiest(image.float().mean(0).numpy(), width_px=side, height_px=side)


def still_crops(
    found: dict[str, nn.Module], stills: Path, names: tuple[str, ...], *, scale: int
) -> dict[str, dict[str, Tensor]]:
    """Crops by still and method."""
    rows = {}
    for name in names:
        still = read_image(stills / f"{name}.png")
        still = still[:, : still.shape[1] // scale * scale, : still.shape[2] // scale * scale]
        small = evaluate.reduced(still, scale=scale)
        left, top = _busiest_square(still)
        images = {"original": still, "lanczos": evaluate.by_lanczos(scale)(small)}
        images |= {method: evaluate.by_network(network)(small) for method, network in found.items()}
        rows[name] = {method: image[:, top : top + CROP_PX, left : left + CROP_PX] for method, image in images.items()}
    return rows


@dataclass
class Report:
    """What was measured so far, for people and for machines."""

    folder: Path
    lines: list[str] = field(default_factory=lambda: ["# Networks, measured", ""])
    figures: dict[str, object] = field(default_factory=dict)

    def add_stills(self, found: dict[str, nn.Module], stills: Path, *, scale: int) -> None:
        """Every set of stills, and crops of two of them."""
        for folder in sorted(stills.iterdir()):
            scores = compare_stills(found, folder, scale=scale)
            self.lines += [f"## x{scale}, {folder.name}: PSNR-Y in dB / SSIM-Y", "", evaluate.table(scores), ""]
            self.figures[f"x{scale} {folder.name}"] = {name: asdict(evaluate.mean(s)) for name, s in scores.items()}
        if (stills / "set5").is_dir():
            rows = still_crops(found, stills / "set5", ("butterfly", "bird"), scale=scale)
            sheet(rows).save(self.folder / f"stills-x{scale}.png")

    def add_clips(self, found: dict[str, nn.Module], videos: Path, *, scale: int) -> None:
        """The named clips, what is promised of the video networks, and a crop of each clip."""
        scores, crops = compare_clips(found, videos, scale=scale, wanted=CLIPS, crfs=CRFS)
        title = f"## x{scale}, clips reduced and compressed: VMAF / VMAF-NEG / PSNR-Y in dB / flicker in codes"
        self.lines += [title, "", clips.table(scores), ""]
        self.figures[f"x{scale} clips"] = {name: asdict(clips.mean(s)) for name, s in scores.items()}
        for name, entry in shipped().items():
            if entry.scale == scale and entry.kind == "video":
                kept = verdict(scores, name, scale=scale)
                self.figures[f"x{scale} promises of {name}"] = kept
                self.lines += [f"- {name}: {what}: {'yes' if holds else 'NO'}" for what, holds in kept.items()]
        self.lines.append("")
        sheet(crops).save(self.folder / f"clips-x{scale}.png")

    def write(self) -> None:
        """As Markdown and as JSON."""
        (self.folder / "report.md").write_text("\n".join(self.lines), encoding="utf-8")
        (self.folder / "report.json").write_text(json.dumps(self.figures, indent=2) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Measures stills and clips at every scale for which networks ship, and writes the report."""
    media = reference_media()
    parser = argparse.ArgumentParser(prog="python -m training.compare", description=main.__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("build/evaluation"), help="folder (%(default)s)")
    parser.add_argument("--scale", type=int, action="append", choices=(2, 4), help="both, unless given")
    parser.add_argument("--only", choices=("stills", "clips"), help="half of the work")
    options = parser.parse_args(arguments)
    if not media.is_dir():
        parser.error(f"no reference media in {media}: name their folder in SR_REFERENCE_MEDIA")
    options.output.mkdir(parents=True, exist_ok=True)
    report = Report(options.output)
    for scale in options.scale or (2, 4):
        found = networks(scale, media)
        if options.only != "clips":
            report.add_stills(found, media / "stills", scale=scale)
        if options.only != "stills":
            report.add_clips(found, media / "video", scale=scale)
        report.write()
    print("\n".join(report.lines))


if __name__ == "__main__":
    main()

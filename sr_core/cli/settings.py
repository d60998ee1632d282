"""The options that say how a video is upscaled, and the Settings that they make: of `sr run`, and of `sr probe`."""

import argparse
from typing import get_args

from pydantic import ValidationError

from sr_core.contract import FLAG_MODEL
from sr_core.errors import InputError
from sr_core.manifest import first_problem
from sr_core.types import CloudTier, Codec, Kernels, ProresProfile, Settings


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Options for everything that a job may be told."""
    add_network(parser)
    _add_encoding(parser)


def add_network(parser: argparse.ArgumentParser) -> None:
    """Options for the network, and what it runs on."""
    defaults = Settings()
    network = parser.add_argument_group("network")
    network.add_argument(
        FLAG_MODEL,
        metavar="NAME|PATH",
        help="a network of `sr models`, a checkpoint (.safetensors, .pth), or basicsr:OPTIONS.yml "
        "(the one that ships for the scale)",
    )
    network.add_argument(
        "--scale", type=int, metavar="N", help="2 or 4; with --model, refuse a network of another scale (2)"
    )
    network.add_argument("--device", choices=("auto", "cpu", "cuda"), default=defaults.device, help="(%(default)s)")
    network.add_argument(
        "--precision",
        choices=("auto", "fp32", "bf16", "fp16"),
        default=defaults.precision,
        help="auto: fp16 on GPUs, bf16 on CPUs on which nothing is faster (measured), else fp32",
    )
    network.add_argument(
        "--kernels",
        choices=("auto", *get_args(Kernels)),
        default=defaults.kernels,
        help="winograd: a compact network on a CPU, in fp32, by a quarter of the multiplications; fused: one on a GPU, "
        "not run on any yet; auto: winograd where nothing is faster (measured), else torch",
    )
    network.add_argument("--tile", type=int, metavar="PX", help="side of a tile in input pixels; whole frames if small")


def add_tier(parser: argparse.ArgumentParser) -> None:
    """The option for the kind of machine in the cloud."""
    parser.add_argument(
        "--tier",
        choices=("auto", *get_args(CloudTier)),
        default=Settings().tier,
        help="kind of machine that upscales: cpu (c5), standard (T4), premium (A10G, L4), memory (T4 and more host "
        "memory); auto: what the work is cheapest on, see `sr estimate`",
    )


def _add_encoding(parser: argparse.ArgumentParser) -> None:
    defaults = Settings()
    coding = parser.add_argument_group("encoding")
    coding.add_argument(
        "--codec",
        choices=get_args(Codec),
        default=defaults.codec,
        help="h264, hevc: .mp4 .mov .mkv; av1: .mp4 .mkv .webm; prores: .mov .mkv; ffv1: .mkv (%(default)s)",
    )
    coding.add_argument(
        "--crf",
        type=int,
        metavar="N",
        help="0 best to 51 worst quality, for av1 to 63 (h264, hevc: 18; av1: 20; prores and ffv1 have none)",
    )
    coding.add_argument(
        "--preset", default=defaults.preset, metavar="P", help="ultrafast … veryslow, for h264, hevc, av1 (%(default)s)"
    )
    coding.add_argument(
        "--prores-profile", choices=get_args(ProresProfile), help="(hq, or 4444 for a source of full chroma)"
    )
    coding.add_argument(
        "--segment-codec",
        choices=("delivery", "mezzanine"),
        default=defaults.segment_codec,
        help="upscale writes the delivery codec itself, or lossless segments for `sr encode` (%(default)s)",
    )
    parser.add_argument(
        "--deinterlace",
        choices=("auto", "off"),
        default=defaults.deinterlace,
        help="off: interlaced frames are upscaled as they are, woven (%(default)s)",
    )
    parser.add_argument(
        "--strict", action="store_true", help="refuse a damaged source instead of upscaling what decodes"
    )


def settings_from(options: argparse.Namespace) -> Settings:
    """What the options say, those that the command has. Raises InputError naming the option that is wrong."""
    said = {"tile_px" if name == "tile" else name: value for name, value in vars(options).items()}
    try:
        return Settings(**{name: said[name] for name in Settings.model_fields if name in said})
    except ValidationError as error:
        option, _, problem = first_problem(error).partition(": ")
        raise InputError(
            f"--{option.removesuffix('_px').replace('_', '-')}: {problem}; see `{options.parser.prog} --help`"
        ) from error

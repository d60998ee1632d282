"""`sr probe`: what is in a file, and what `sr run` would do about it, or why it would not.

A refusal of `sr run` is an answer here, not an error: the file has been described, and the exit code is 0.
"""

import argparse

from sr_core.cli.output import printable, show, show_json
from sr_core.cli.scratch import scratch_folder
from sr_core.cli.settings import settings_from
from sr_core.errors import InputError
from sr_core.model_files import find
from sr_core.planning import plan_in_prospect
from sr_core.storage import fetch_source
from sr_core.types import Plan, VideoInfo
from sr_core.video.source import probe_source


def run(options: argparse.Namespace) -> None:
    settings = settings_from(options)
    model = find(settings).spec
    with scratch_folder() as scratch:
        info = probe_source(fetch_source(options.input, scratch))
    plan, refusal = None, None
    try:
        plan = plan_in_prospect(settings, model, info)
    except InputError as error:
        refusal = str(error)
    if options.json:
        summary = None if plan is None else _plan_summary(plan)
        show_json({"video": info.model_dump(mode="json"), "plan": summary, "refusal": refusal})
    else:
        outcome = _planned(plan) if plan is not None else [f"  result    none: {refusal}"]
        warnings = info.warnings if plan is None else plan.warnings
        show("\n".join([*_described(options.input, info), *outcome, *(f"  warning   {told}" for told in warnings)]))


def _plan_summary(plan: Plan) -> dict[str, object]:
    return {
        "model": plan.model.name,
        "scale": plan.model.scale,
        "width_px": plan.width_px,
        "height_px": plan.height_px,
        "segment_count": len(plan.segments),
        "codec": plan.delivery.codec,
        "pixel_format": plan.delivery.pixel_format,
        "color": plan.color.model_dump(mode="json"),
        "tile_px": plan.execution.tile_px,
        "deinterlace": plan.deinterlace,
        "warnings": list(plan.warnings),
    }


def _described(name: str, info: VideoInfo) -> list[str]:
    rate = f"{info.rate} ({float(info.rate):.3f} fps)"
    shape = f"{info.width_px}×{info.height_px}"
    if info.sar != 1:
        shape += f", sample aspect ratio {info.sar.numerator}:{info.sar.denominator}"
    if info.rotation_degrees:
        shape += f", to be turned {info.rotation_degrees}° clockwise"
    color = info.color
    assumed = f" (assumed: {', '.join(color.assumed)})" if color.assumed else ""
    lines = [
        f"{name}: {info.container}",
        f"  picture   {shape}, {info.field_order}",
        f"  frames    {info.frame_count} in {info.duration_seconds:.3f} s, "
        f"{'variable rate, on average' if info.variable_rate else 'rate'} {rate}, time base {info.time_base}",
        f"  samples   {info.codec}, {info.pixel_format}: {info.chroma}, {info.bit_depth} bits",
        f"  colour    matrix {color.matrix}, {color.range} range, primaries {color.primaries}, "
        f"transfer {color.transfer}, chroma {color.siting}{assumed}",
    ]
    for stream in info.streams:
        words = [stream.kind, stream.codec, stream.language, stream.title, *stream.dispositions]
        note = stream.note or "carried as it is"
        lines.append(f"  stream {stream.index}  {' '.join(printable(word) for word in words if word)}: {note}")
    return lines


def _planned(plan: Plan) -> list[str]:
    return [
        f"  result    {plan.width_px}×{plan.height_px} by {plan.model.name}, {plan.delivery.codec} "
        f"{plan.delivery.pixel_format}, matrix {plan.color.matrix}, in {len(plan.segments)} segments",
    ]

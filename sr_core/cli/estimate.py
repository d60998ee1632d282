"""`sr estimate`: hours and dollars for a video, before anything runs: by network, or for one network by tier."""

import argparse
import os
from collections.abc import Iterator, Sequence

from sr_core.cli.cost import amount
from sr_core.cli.output import show, show_json
from sr_core.cli.scratch import scratch_folder
from sr_core.cli.settings import settings_from
from sr_core.contract import ENV_TIERS
from sr_core.errors import InputError
from sr_core.estimate import NOT_COUNTED, Estimate, estimates
from sr_core.model_files import find
from sr_core.models.catalogue import describe_shipped, published, recommended, shipped
from sr_core.storage import fetch_source
from sr_core.tiers import PRICES, tiers_of
from sr_core.types import CloudTier, ModelSpec, Settings, VideoInfo
from sr_core.video.source import probe_source

_HEADINGS = ("network", "result", "tier", "machine", "jobs", "hours", "Spot", "On-Demand", "limited by")


def run(options: argparse.Namespace) -> None:
    settings = settings_from(options)
    models, among = _models(settings), tiers_of(os.environ.get(ENV_TIERS, ""), place=ENV_TIERS)
    with scratch_folder() as scratch:
        video = probe_source(fetch_source(options.input, scratch))
    found: list[Estimate] = []
    refusals: dict[str, str] = {}
    for model in models:
        try:
            found += estimates(settings, model, video, among=among)
        except InputError as error:
            refusals[model.name] = str(error)
    if not found:
        raise InputError(next(iter(refusals.values())))
    if options.json:
        show_json(
            {
                "video": video.model_dump(mode="json"),
                "estimates": [each.model_dump(mode="json") for each in found],
                "refusals": refusals,
                "prices": PRICES,
                "not_counted": list(NOT_COUNTED),
            }
        )
        return
    shown = found if len(models) == 1 else [each for each in found if each.is_chosen]
    show("\n".join([_described(options.input, video), "", *_table(shown), *_remarks(refusals, among)]))


def _models(settings: Settings) -> list[ModelSpec]:
    """The one that is asked for, or all that have a name, of the scale that is asked for."""
    if settings.model is not None:
        entry = published().get(settings.model)
        return [entry.spec if entry is not None else find(settings).spec]
    recommended(settings.scale)  # or there is none of that scale
    named = [*map(describe_shipped, shipped()), *(entry.spec for entry in published().values())]
    return [spec for spec in named if settings.scale in (None, spec.scale)]


def _described(name: str, video: VideoInfo) -> str:
    return f"{name}: {video.width_px}×{video.height_px}, {video.frame_count} frames in {video.duration_seconds:.1f} s"


def _table(shown: list[Estimate]) -> Iterator[str]:
    rows = [_HEADINGS, *map(_row, shown)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if heading in ("jobs", "hours", "Spot", "On-Demand") else cell.ljust(width)
            for heading, cell, width in zip(_HEADINGS, row, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()


def _row(each: Estimate) -> tuple[str, ...]:
    limit = each.limited_by if each.fits else f"{each.limited_by}; too little memory there"
    return (
        each.model,
        f"{each.width_px}×{each.height_px}",
        f"{each.tier} *" if each.is_chosen else each.tier,
        each.instance_type or "at hand",
        str(each.chunk_count),
        amount(each.machine_hours),
        "–" if each.spot_usd is None else f"{amount(each.spot_usd)} $",
        "–" if each.on_demand_usd is None else f"{amount(each.on_demand_usd)} $",
        limit,
    )


def _remarks(refusals: dict[str, str], among: Sequence[CloudTier]) -> Iterator[str]:
    yield ""
    yield f"* the tier that a job takes, if its deployment's plans choose among {', '.join(among)} ({ENV_TIERS})"
    yield "  Hours are of all machines together, half as many where two jobs share one; all jobs can work at once"
    yield "  A projection, right to a factor. Not counted:"
    yield from (f"  - {each}" for each in NOT_COUNTED)
    yield f"  Prices: {PRICES}"
    for model, reason in refusals.items():
        yield f"  {model}: no estimate: {reason}"

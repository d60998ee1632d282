"""`sr models`: the networks that can be used by name; `sr models pull` gets those that do not ship."""

import argparse

from sr_core.cli.output import bytes_display, note, show, show_json
from sr_core.model_files import is_there, model_store, pull
from sr_core.models.catalogue import PublishedModel, ShippedModel, describe_shipped, published, recommended, shipped
from sr_core.types import ModelSpec


def run(options: argparse.Namespace) -> None:
    if options.pull is not None:
        _pull(options.pull, as_json=options.json)
        return
    ours = {name: (entry, describe_shipped(name)) for name, entry in shipped().items()}
    others = published()
    if options.json:
        show_json(
            {
                "models": [
                    *({**_entry(entry), **_spec(spec), "available": True} for entry, spec in ours.values()),
                    *(
                        {**_entry(entry), **_spec(entry.spec), "available": is_there(name)}
                        for name, entry in others.items()
                    ),
                ],
                "model_store": model_store().uri,
            }
        )
        return
    defaults = {recommended(entry.scale) for entry, _spec in ours.values()}
    for name, (entry, spec) in ours.items():
        show(f"{_line(spec)}, {entry.licence}")
        show(f"    {entry.summary}{' (default)' if name in defaults else ''}; {entry.origin}")
    show(f"\nTo be had by `sr models pull NAME`, kept in {model_store().uri}:")
    for name, published_entry in others.items():
        where = "here" if is_there(name) else f"{published_entry.size_bytes / 1e6:.1f} MB"
        show(f"{_line(published_entry.spec)}, {published_entry.licence}, {where}")
        show(f"    {published_entry.summary}; {published_entry.origin}")
    show("\nAny other checkpoint by its path: --model PATH; what was trained with BasicSR: --model basicsr:OPTIONS.yml")


def _pull(name: str, *, as_json: bool) -> None:
    with bytes_display(name) as on_bytes:
        pulled = pull(name, on_bytes=on_bytes)
    if as_json:
        show_json(
            {
                "name": name,
                "address": pulled.address,
                "sha256": pulled.sha256,
                "pinned": pulled.is_pinned,
                "was_there": pulled.was_there,
            }
        )
        return
    show(f"{pulled.address} {'was there' if pulled.was_there else 'is there'}, sha256 {pulled.sha256}")
    if not pulled.is_pinned:
        note(
            "sr: warning: nobody states this file's sum; the one above was recorded and is what later pulls must match"
        )


def _entry(entry: ShippedModel | PublishedModel) -> dict[str, object]:
    return entry.model_dump(mode="json", exclude={"spec", "sha256"})


def _spec(spec: ModelSpec) -> dict[str, object]:
    return {**spec.model_dump(mode="json"), "flops_per_pixel": 2 * spec.macs_per_pixel}


def _line(spec: ModelSpec) -> str:
    sees = f"sees {spec.radius_px} px" if spec.radius_is_exact else f"sees far (tiles overlap {spec.radius_px} px)"
    return (
        f"{spec.name}  ×{spec.scale}  {spec.architecture}, {_count(2 * spec.macs_per_pixel)}FLOP a pixel, "
        f"{_count(spec.parameter_count)} parameters, {sees}, {'/'.join(spec.precisions)}"
    )


def _count(number: int) -> str:
    return f"{number / 1e6:.1f} M" if number >= 1e6 else f"{number / 1e3:.0f} k"

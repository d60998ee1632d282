"""`sr models`: the networks that can be used."""

import argparse

from sr_core.cli.output import show, show_json
from sr_core.models.catalogue import describe_shipped, shipped


def run(options: argparse.Namespace) -> None:
    networks = {name: (entry, describe_shipped(name)) for name, entry in shipped().items()}
    if options.json:
        models = [
            {**entry.model_dump(mode="json"), **spec.model_dump(mode="json")} for entry, spec in networks.values()
        ]
        show_json({"models": models})
        return
    for name, (entry, spec) in networks.items():
        cost = f"{spec.macs_per_pixel / 1000:.0f} kMAC a pixel, {spec.parameter_count / 1000:.0f} k parameters"
        show(
            f"{name}  ×{spec.scale}  {spec.architecture}, {cost}, {entry.licence}\n    {entry.summary}; {entry.origin}"
        )
    show("Any checkpoint of the compact architecture (.safetensors, .pth) works too: --model PATH")

"""The cloud assembly: what `cdk synth` writes, and `python -m localcloud.assembly FOLDER`.

Read from files; the app that wrote it is not imported.

A resource is found by its construct's path, which CDK records in the template (``Upscale/Definition``), never by its
hashed logical id.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]
ROOT = Path(__file__).parent.parent


class SynthesisError(Exception):
    """The app did not synthesize. Holds what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One synthesized stack."""

    name: str
    template: Json


@dataclass(frozen=True, slots=True)
class CloudAssembly:
    """A folder that `cdk synth` has written."""

    folder: Path

    def stacks(self) -> Iterator[Stack]:
        """In the order in which they are deployed: each after those it depends on."""
        artifacts = json.loads((self.folder / "manifest.json").read_text())["artifacts"]
        stacks = {name: found for name, found in artifacts.items() if found["type"] == "aws:cloudformation:stack"}
        done: set[str] = set()
        while len(done) < len(stacks):
            for name, found in stacks.items():
                needed = stacks.keys() & set(found.get("dependencies", ()))
                if name not in done and needed <= done:
                    done.add(name)
                    path = self.folder / found["properties"]["templateFile"]
                    yield Stack(name=name, template=json.loads(path.read_text()))


def synthesize(folder: Path, *, config: str = "config/trial.yaml") -> CloudAssembly:
    """Runs the app as the CDK CLI does, without needing the CLI. Raises SynthesisError."""
    if shutil.which(os.environ.get("JSII_NODE", "node")) is None:
        raise SynthesisError("Node is not installed, and CDK needs it: version 22 or newer, from nodejs.org")
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    # The CLI turns its option pathMetadata into the second of these.
    context |= {"config": config, "aws:cdk:enable-path-metadata": True}
    environment = os.environ | {
        "CDK_OUTDIR": str(folder.absolute()),
        "CDK_CONTEXT_JSON": json.dumps(context),
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "1",
    }
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SynthesisError((done.stderr or done.stdout).strip())
    return CloudAssembly(folder)


if __name__ == "__main__":
    try:
        synthesize(Path(sys.argv[1]))
    except SynthesisError as problem:
        sys.exit(f"error: {problem}")

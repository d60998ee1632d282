"""Every example config is synthesized once for all tests; starting CDK is what takes the time."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from .choices import CHOICES
from .reading import Assembly, Json, states

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(path.stem for path in (ROOT / "config").glob("*.yaml"))
Synthesize = Callable[..., Assembly]
Chosen = Callable[[str], Assembly]


@pytest.fixture(scope="session")
def synthesize_anew(tmp_path_factory: pytest.TempPathFactory) -> Synthesize:
    """Synthesizes an example config, or values given in its place, as ``cdk synth`` does; nag findings raise."""
    from aws_cdk import App

    from app import build
    from stacks.config import load_config

    # As the CDK CLI, which turns its option pathMetadata into this: it gives resources the names that tests go by.
    context = json.loads((ROOT / "cdk.json").read_text())["context"] | {"aws:cdk:enable-path-metadata": True}

    def synthesized(source: object) -> Assembly:
        folder = tmp_path_factory.mktemp("cdk.out")
        app = App(context=context, outdir=str(folder))
        build(app, load_config(source, root=ROOT))
        app.synth()
        return Assembly(folder)

    return synthesized


_MADE = pytest.StashKey[dict[str, Assembly]]()


@pytest.fixture(scope="session")
def synthesize(synthesize_anew: Synthesize, pytestconfig: pytest.Config) -> Synthesize:
    """The same, once for each config and for all tests of a session, whatever folder they lie in."""
    made = pytestconfig.stash.setdefault(_MADE, {})

    def synthesized(source: object) -> Assembly:
        stated = json.dumps(source, sort_keys=True)
        if stated not in made:
            made[stated] = synthesize_anew(source)
        return made[stated]

    return synthesized


@pytest.fixture(scope="session")
def assemblies(synthesize: Synthesize) -> dict[str, Assembly]:
    return {name: synthesize(f"config/{name}.yaml") for name in EXAMPLES}


@pytest.fixture(scope="session")
def chosen(synthesize: Synthesize) -> Chosen:
    """The assembly of a choice, by its name, made when it is first asked for."""
    return lambda name: synthesize(CHOICES[name])


@pytest.fixture(params=EXAMPLES)
def assembly(request: pytest.FixtureRequest, assemblies: dict[str, Assembly]) -> Assembly:
    """Each example in turn."""
    return assemblies[request.param]


@pytest.fixture(scope="session")
def production(assemblies: dict[str, Assembly]) -> Assembly:
    return assemblies["production"]


@pytest.fixture
def video(production: Assembly) -> Json:
    """Every state of `UpscaleVideo`, those of a chunk included, by name."""
    return dict(states(production.definition("UpscaleVideo")))

"""The CDK app: reads the DeployConfig, wires the stacks, nothing else."""

import sys
from pathlib import Path
from typing import Any

from aws_cdk import App, Environment, Tags, Validations
from cdk_nag import AwsSolutionsChecks

from sr_core.contract import PIPELINE_STACK, STORAGE_STACK
from stacks.compute import ComputeStack
from stacks.config import ConfigError, DeployConfig, load_config
from stacks.operations import OperationsStack
from stacks.pipeline import PipelineStack
from stacks.realtime import RealtimeStack
from stacks.storage import StorageStack

ROOT = Path(__file__).parent


def build(app: App, config: DeployConfig) -> None:
    """Adds the stacks to `app`, in the order in which they depend on one another."""
    common: dict[str, Any] = {"config": config, "env": Environment(region=config.region)}
    storage = StorageStack(app, STORAGE_STACK.format(config.name), root=ROOT, **common)
    compute = ComputeStack(app, f"{config.name}-compute", storage=storage, **common)
    pipeline = PipelineStack(
        app, PIPELINE_STACK.format(config.name), storage=storage, compute=compute, root=ROOT, **common
    )
    OperationsStack(app, f"{config.name}-operations", storage=storage, compute=compute, pipeline=pipeline, **common)
    if config.realtime is not None:
        RealtimeStack(
            app,
            f"{config.name}-realtime",
            realtime=config.realtime,
            storage=storage,
            compute=compute,
            pipeline=pipeline,
            root=ROOT,
            **common,
        )
    for key, value in config.cost_tags.items():
        Tags.of(app).add(key, value)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))


def main() -> None:
    app = App()
    try:
        config = load_config(app.node.try_get_context("config"), root=ROOT)
    except ConfigError as error:
        sys.exit(f"error: {error}")
    build(app, config)
    app.synth()


if __name__ == "__main__":
    main()

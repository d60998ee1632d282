"""What `sr submit` is told of a deployment by the outputs of its stacks."""

from sr_core.contract import StackOutput
from stacks.config import load_config

from .conftest import EXAMPLES, ROOT
from .reading import Assembly


def test_a_deployment_tells_its_workflow_and_the_buckets_that_the_workflow_accepts(
    assemblies: dict[str, Assembly],
) -> None:
    for name in EXAMPLES:
        assembly, config = assemblies[name], load_config(f"config/{name}.yaml", root=ROOT)
        told = assembly.outputs("storage") | assembly.outputs("pipeline")
        inputs, outputs = ["Input", *config.allowed_input_buckets], ["Output", *config.allowed_output_buckets]

        assert told[StackOutput.VIDEO_WORKFLOW] == "UpscaleVideo/StateMachine"
        assert told[StackOutput.INPUTS].split() == [f"s3://{bucket}" for bucket in inputs]
        assert told[StackOutput.OUTPUTS].split() == [f"s3://{bucket}" for bucket in outputs]
        assert told[StackOutput.MODELS] == "s3://Models"
        assert told[StackOutput.TIERS] == ("cpu" if name == "trial" else "cpu standard premium memory")
        states = str(assembly.definition("UpscaleVideo")["States"])
        assert all(f"s3://{bucket}/*" in states for bucket in [*inputs, *outputs])

"""A config that cannot be used is refused at synth, in one sentence that says where, what and what to do."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stacks.config import ConfigError, DeployConfig, load_config

from .conftest import EXAMPLES, ROOT

WRONG = {
    "an unknown setting": ({"spot_atempts": 3}, "spot_atempts: there is no such setting"),
    "p3": ({"pools": {"premium": {"instance_types": ["p3.2xlarge"]}}}, "p3.2xlarge cannot be used"),
    "burstable": ({"pools": {"cpu": {"instance_types": ["t3.2xlarge"]}}}, "throttled under steady load"),
    "not an instance type": ({"pools": {"cpu": {"instance_types": ["c5"]}}}, "c5 is not the name"),
    "an unknown family": ({"pools": {"cpu": {"instance_types": ["x2gd.xlarge"]}}}, "of a family"),
    "Graviton for an x86 image": (
        {"pools": {"cpu": {"instance_types": ["c7g.2xlarge"]}}},
        "c7g.2xlarge is arm64, but this pool's image is x86_64",
    ),
    "x86 for a Graviton image": (
        {"cpu_architecture": "arm64", "pools": {"cpu": {"instance_types": ["c5.2xlarge"]}}},
        "c5.2xlarge is x86_64, but this pool's image is arm64",
    ),
    "no GPU where one is needed": ({"pools": {"standard": {"instance_types": ["c5.2xlarge"]}}}, "has no GPU"),
    "a GPU where none is needed": ({"pools": {"cpu": {"instance_types": ["g4dn.2xlarge"]}}}, "pays for a GPU"),
    "too little GPU memory": ({"pools": {"premium": {"instance_types": ["g4dn.xlarge"]}}}, "this pool needs 24"),
    "too little host memory": (
        {"pools": {"memory": {"instance_types": ["g4dn.xlarge"]}}},
        "too small for a job of 8 vCPUs and 29000 MiB",
    ),
    "a cap below one machine": ({"pools": {"cpu": {"max_vcpus": 4}}}, "more than the pool's cap"),
    "a tier that is none": ({"tiers": ["gpu"]}, "tiers.0: input should be 'cpu', 'standard', 'premium' or 'memory'"),
    "no tier": ({"tiers": []}, "tiers: "),
    "a zone of another region": ({"region": "eu-west-1"}, "zone us-east-1a is not in region eu-west-1"),
    "no zone": ({"zones": []}, "at least one zone"),
    "a zone twice": ({"zones": ["us-east-1a", "us-east-1a"]}, "each once"),
    "an existing network without subnets": ({"network": {"kind": "existing"}}, "needs vpc_id and subnet_ids"),
    "subnets of a network of our own": ({"network": {"vpc_id": "vpc-1"}}, "need kind: existing"),
    "subnets and zones that do not match": (
        {"network": {"kind": "existing", "vpc_id": "vpc-1", "subnet_ids": ["subnet-1"]}},
        "one subnet for each entry of zones",
    ),
    "a network too small": ({"network": {"cidr": "10.0.0.0/28"}}, "choose a prefix from /16 to /20"),
    "more attempts than Batch has": ({"spot_attempts": 11}, "less than or equal to 10, not 11"),
    "a capacity wait below Batch's": ({"capacity_wait_seconds": 60}, "greater than or equal to 600, not 60"),
    "chunks that are gone before their turn": (
        {"retention": {"job_folder_days": 7}},
        "chunks are deleted after 7 days, while their jobs may wait for 2 × queue_hours = 240 h; raise",
    ),
    "chunks that are gone in the very hour": (
        {"queue_hours": 84, "retention": {"job_folder_days": 7}},
        "raise the one or lower the other",
    ),
    "a retention CloudWatch has not": ({"retention": {"log_days": 8}}, "not 8"),
    "a name that is none": ({"name": "My Pipeline"}, "name: "),
    "a bucket that cannot be": ({"allowed_input_buckets": ["Upper_Case"]}, "allowed_input_buckets.0: "),
    "a limit of media that is none": (
        {"media_limits": {"picture": 5}},
        "media_limits.picture: there is no such setting; there are picture_px, side_px, frames, streams, ",
    ),
    "a limit that lets nothing through": ({"media_limits": {"streams": 0}}, "media_limits.streams: input should be"),
    "a limit that is no number": ({"media_limits": {"frames": "many"}}, "media_limits.frames: input should be"),
    "a budget of nothing": (
        {"budget": {"monthly_usd": 0}},
        "budget.monthly_usd: input should be greater than or equal",
    ),
    "a budget without a sum": ({"budget": {"stops_work": True}}, "budget.monthly_usd: field required"),
    "a part that is all of it": (
        {"budget": {"monthly_usd": 500, "spent_percent": 100}},
        "budget.spent_percent: input should be less than or equal to 99, not 100",
    ),
    "a region in China": (
        {"region": "cn-north-1", "zones": ["cn-north-1a"]},
        "region: cn-north-1 is in a partition of AWS (China, GovCloud …) for which this was neither made nor tried",
    ),
    "a still's machine by EC2's name": (
        {"realtime": {"instance_type": "g4dn.xlarge"}},
        "realtime.instance_type: string should match pattern",
    ),
    "a still's machine for another image": ({"realtime": {"instance_type": "ml.c7g.xlarge"}}, "is arm64, but"),
    "a still's machine too small": ({"realtime": {"instance_type": "ml.c5.large"}}, "has 4096 MiB of memory; serving"),
    "a still's machine that is throttled": ({"realtime": {"instance_type": "ml.t3.large"}}, "throttled under steady"),
    "fewer machines than are always there": (
        {"realtime": {"min_instances": 2}},
        "max_instances is 1, less than min_instances, 2",
    ),
    "a region of GovCloud": ({"region": "us-gov-west-1", "zones": ["us-gov-west-1a"]}, "choose another region"),
    "a tag that a budget counts by": ({"tags": {"application": "mine"}}, "tags: application is the config's name"),
    "a list instead of a config": (["name"], "context: "),
    "two weights of one name": (
        {"weights": [{"path": "a/net.pth", "sha256": "0" * 64}, {"path": "b/net.pth", "sha256": "1" * 64}]},
        "two files have the same name",
    ),
    "weights that are not there": (
        {"weights": [{"path": "weights/none.safetensors", "sha256": "0" * 64}]},
        "weights/none.safetensors does not exist",
    ),
}


@pytest.mark.parametrize(("values", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_one_sentence(values: object, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(values, root=ROOT)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_backlog_of_days_waits_for_spot() -> None:
    # given that a submission's timeout counts the jobs before it: a weekend's uploads must not go to On-Demand at once
    assert DeployConfig().queue_hours >= 4 * 24


def test_a_file_that_is_missing_or_not_yaml_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("name: [")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe")
    for name, sentence in (
        ("none.yaml", "cannot be read: No such file"),
        ("broken.yaml", "is not YAML"),
        ("binary.yaml", "is not YAML"),
        ('{"name": ', "context is not YAML"),
    ):
        with pytest.raises(ConfigError, match=sentence) as caught:
            load_config(name, root=tmp_path)
        assert "\n" not in str(caught.value)


def test_the_command_prints_the_sentence_and_no_traceback(tmp_path: Path) -> None:
    # given what the CDK CLI hands to the app
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("spot_attempts: 0\n")
    environment = {**os.environ, "CDK_CONTEXT_JSON": f'{{"config": "{wrong}"}}'}
    # when
    ended = subprocess.run([sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True)
    # then
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(f"error: {wrong}: spot_attempts: ")
    assert "Traceback" not in ended.stderr


def test_a_config_may_stand_on_the_command_line() -> None:
    assert load_config('{"name": "sr-mine", "spot_attempts": 2}', root=ROOT) == DeployConfig(
        name="sr-mine", spot_attempts=2
    )


def test_nothing_needs_to_be_said() -> None:
    assert load_config(None, root=ROOT) == load_config({}, root=ROOT) == DeployConfig()


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_are_valid(example: str) -> None:
    assert load_config(f"config/{example}.yaml", root=ROOT).name.startswith("sr")


def test_two_examples_never_share_a_name() -> None:
    names = [load_config(f"config/{example}.yaml", root=ROOT).name for example in EXAMPLES]
    assert len(set(names)) == len(names)


def test_weights_are_deployed_only_with_the_digest_that_is_stated(tmp_path: Path) -> None:
    (tmp_path / "net.safetensors").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    stated = {"weights": [{"path": "net.safetensors", "sha256": digest}]}
    assert load_config(stated, root=tmp_path).weights[0].sha256 == digest
    (tmp_path / "net.safetensors").write_bytes(b"other weights")
    with pytest.raises(ConfigError, match=r"net\.safetensors does not have the sha256"):
        load_config(stated, root=tmp_path)

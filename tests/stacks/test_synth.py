"""Synthesis itself: repeatable, without findings, Docker or credentials, and safe to deploy over running jobs."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sr_core.contract import ENV_LIMITS, ENV_TIERS
from sr_core.media_limits import Limits
from stacks.config import load_config

from .choices import CHOICES, EVERYTHING
from .conftest import EXAMPLES, ROOT, Chosen, Synthesize
from .reading import Assembly, Json


def test_a_second_synthesis_writes_the_same_bytes(synthesize_anew: Synthesize, assemblies: dict[str, Assembly]) -> None:
    again = synthesize_anew("config/trial.yaml")

    def contents(folder: Path) -> dict[str, bytes]:
        # the manifest and the tree name the folder they lie in; the CLI compares templates and assets
        return {path.name: path.read_bytes() for path in folder.glob("*.json") if path.name.startswith("sr-")}

    first = contents(assemblies["trial"].folder)
    assert len(first) >= 6
    assert contents(again.folder) == first


def test_a_finding_that_nobody_acknowledged_stops_synthesis() -> None:
    # given a stack with a bucket as AWS makes one, under the very plugin that app.py adds
    from aws_cdk import App, Stack, Validations
    from aws_cdk import aws_s3 as s3
    from cdk_nag import AwsSolutionsChecks

    app = App()
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    s3.Bucket(Stack(app, "careless"), "Open")
    # then: the other tests' synthesis would have raised, too
    with pytest.raises(Exception, match=r"^ValidationFailed"):
        app.synth()


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_waiver_has_a_reason(assemblies: dict[str, Assembly], example: str) -> None:
    tree = json.loads((assemblies[example].folder / "manifest.json").read_text())
    waivers = [
        (path, rule, reason)
        for artifact in tree["artifacts"].values()
        for path, entries in metadata(assemblies[example].folder, artifact).items()
        for entry in entries
        if entry["type"] == "aws:cdk:acknowledged-rules"
        for rule, reason in entry["data"].items()
    ]
    assert waivers
    for path, rule, reason in waivers:
        assert len(reason) > 20, f"{path}: {rule}"
        assert "[Resource::" in rule or "IAM5" not in rule, f"{path}: {rule} is waived for every resource at once"


def metadata(folder: Path, artifact: Json) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = artifact.get("metadata", {})
    if "additionalMetadataFile" in artifact:
        found = found | json.loads((folder / artifact["additionalMetadataFile"]).read_text())
    return found


def test_cfn_lint_finds_nothing(assemblies: dict[str, Assembly], chosen: Chosen) -> None:
    templates = [str(path) for assembly in assemblies.values() for path in assembly.folder.glob("*.template.json")]
    templates += [str(path) for path in chosen(EVERYTHING).folder.glob("*-realtime.template.json")]
    linted = subprocess.run(
        [str(Path(sys.executable).with_name("cfn-lint")), *templates], cwd=ROOT, capture_output=True, text=True
    )
    assert (linted.stdout, linted.returncode) == ("", 0)


def test_job_definitions_survive_an_image_update(assembly: Assembly) -> None:
    # an execution under way submits the revision that it started with, so that revision must stay registered
    for job in assembly.of("Batch::JobDefinition"):
        assert job.properties["ResourceRetentionPolicy"] == {"SkipDeregisterOnUpdate": True}
    # and a revision that another stack imports could not change at all
    for stack, template in assembly.templates.items():
        for output in template.get("Outputs", {}).values():
            assert "Definition" not in json.dumps(output["Value"]), stack


def test_queues_keep_their_arn_whatever_changes(assembly: Assembly) -> None:
    for queue in assembly.of("Batch::JobQueue"):
        assert queue.properties["JobQueueName"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_images_run_unprivileged_on_a_read_only_root(assemblies: dict[str, Assembly], example: str) -> None:
    for job in assemblies[example].of("Batch::JobDefinition"):
        container = job.properties["ContainerProperties"]
        assert container["User"] == "10001:10001"
        assert container["ReadonlyRootFilesystem"] is True
        assert not container.get("Privileged", False)
        assert container["LinuxParameters"]["InitProcessEnabled"] is True
        assert [mount["ContainerPath"] for mount in container["MountPoints"]] == ["/scratch"]
        environment = {entry["Name"]: entry["Value"] for entry in container["Environment"]}
        assert environment["SR_SCRATCH"] == "/scratch"
        assert environment["SR_CACHE"] == "/scratch/cache"
        assert environment["SR_MODELS"] == "s3://Models"
        # else the SDK asks another region's endpoint first, which an isolated network cannot reach
        region = load_config(f"config/{example}.yaml", root=ROOT).region
        assert environment["AWS_DEFAULT_REGION"] == environment["AWS_REGION"] == region


@pytest.mark.parametrize("example", EXAMPLES)
def test_limits_of_media_reach_every_job_in_the_words_that_it_reads(
    assemblies: dict[str, Assembly], example: str
) -> None:
    jobs = assemblies[example].of("Batch::JobDefinition")
    stated = [
        next((entry["Value"] for entry in container["Environment"] if entry["Name"] == ENV_LIMITS), None)
        for container in (job.properties["ContainerProperties"] for job in jobs)
    ]
    assert stated == ["streams=500 silence_seconds=300.0" if example == "isolated" else None] * 5
    assert Limits.parse(stated[0] or "") == load_config(f"config/{example}.yaml", root=ROOT).media_limits


def test_a_plan_is_told_among_which_tiers_it_may_choose(assemblies: dict[str, Assembly]) -> None:
    assert told(assemblies["trial"], "Extract", ENV_TIERS) == "cpu"
    assert told(assemblies["production"], "Extract", ENV_TIERS) == "cpu standard premium memory"


def told(assembly: Assembly, name: str, variable: str) -> str | None:
    """What a job's environment says."""
    (job,) = (job for job in assembly.of("Batch::JobDefinition") if job.name == f"{name}/Definition")
    environment = job.properties["ContainerProperties"]["Environment"]
    return next((entry["Value"] for entry in environment if entry["Name"] == variable), None)


def test_synthesis_needs_no_account(assembly: Assembly) -> None:
    manifest = json.loads((assembly.folder / "manifest.json").read_text())
    assert "missing" not in manifest, "a lookup would have to ask AWS"
    for artifact in manifest["artifacts"].values():
        if artifact["type"] == "aws:cloudformation:stack":
            assert artifact["environment"].startswith("aws://unknown-account/")


def test_weights_are_put_into_the_models_bucket_with_their_digest(synthesize: Synthesize, tmp_path: Path) -> None:
    # given two files of weights beside the checkout
    stated = []
    for name in ("one.safetensors", "two.pth"):
        (tmp_path / name).write_bytes(name.encode())
        stated.append({"path": str(tmp_path / name), "sha256": hashlib.sha256(name.encode()).hexdigest()})
    # when: a finding would raise, and a key of our own brings the most of them
    assembly = synthesize({"weights": stated, "encryption": "kms"})
    # then each is put there as it is, beside what is there, and carries its digest
    puts = [found.properties for found in assembly.resources if found.kind == "Custom::CDKBucketDeployment"]
    assert [put["UserMetadata"]["sha256"] for put in puts] == [entry["sha256"] for entry in stated]
    for put in puts:
        assert put["DestinationBucketName"] == "Models"
        assert (put["Prune"], put["RetainOnDelete"]) == (False, True)
        (archive,) = put["SourceObjectKeys"]
        folder = assembly.folder / f"asset.{archive.removesuffix('.zip')}"
        assert [path.name for path in folder.iterdir()] == [
            Path(entry["path"]).name for entry in stated if entry["sha256"] == put["UserMetadata"]["sha256"]
        ]
    assert {group.properties["RetentionInDays"] for group in assembly.of("Logs::LogGroup")} == {30}


@pytest.mark.parametrize("choice", CHOICES)
def test_choices_go_together_without_a_finding(chosen: Chosen, choice: str) -> None:
    assert len(chosen(choice).templates) == (5 if "realtime" in CHOICES[choice] else 4)

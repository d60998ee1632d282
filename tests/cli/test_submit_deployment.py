"""Where `sr submit` finds what is deployed."""

import pytest

from sr_core.cli.main import main
from sr_core.contract import ExitCode

from .account import Account, refused, submitted

Capture = pytest.CaptureFixture[str]


def test_of_several_deployments_one_has_to_be_chosen(account: Account, clip: str, capsys: Capture) -> None:
    account.deploy("sr-other")
    assert "there are several deployments in us-east-1: sr-other, sr-test; choose" in refused(capsys, clip)

    # by its name, by its stack's, or by its state machine, wherever the environment points
    for choice in (["--stack", "sr-test"], ["--stack", "sr-test-pipeline"], ["--state-machine", account.workflow]):
        assert main(["submit", clip, *choice]) == ExitCode.OK
    assert len(account.executions()) == 1


def test_a_state_machines_arn_tells_the_region(
    account: Account, clip: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert "nothing is deployed in eu-central-1; deploy it (docs/deploy.md), or set AWS_REGION" in refused(capsys, clip)

    assert main(["submit", clip, "--state-machine", account.workflow]) == ExitCode.OK


def test_a_deployment_of_an_earlier_version_is_told(account: Account, clip: str, capsys: Capture) -> None:
    account.deploy("sr-old", is_of_today=False)
    assert "there are several deployments in us-east-1: sr-old, sr-test" in refused(capsys, clip)
    told = refused(capsys, clip, "--stack", "sr-old")
    assert "the stacks of sr-old have no output InputAddresses" in told
    assert "deploy it again" in told


def test_what_a_deployment_chooses_among_decides_what_is_estimated_and_refused(
    account: Account, clip: str, capsys: Capture
) -> None:
    # Given a deployment for an account that has no GPUs
    account.tiers = "cpu"
    cpus = account.deploy("sr-cpus")

    (entry,) = submitted(capsys, clip, "--state-machine", cpus, "--budget", "5")
    assert (entry["estimate"]["tier"], entry["estimate"]["instance_type"]) == ("cpu", "c5.2xlarge")

    # Then what needs a GPU is refused before anything is brought, unless a tier is named
    told = refused(capsys, clip, "--state-machine", cpus, "--precision", "fp16")
    assert "plans here choose among cpu, and none has the device, precision and kernels that were asked for" in told
    (entry,) = submitted(
        capsys, clip, "--state-machine", cpus, "--precision", "fp16", "--tier", "premium", "--budget", "5"
    )
    assert entry["estimate"]["tier"] == "premium"

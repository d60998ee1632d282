"""`sr estimate` tells what a video would take: by network, or for one network by tier."""

import json
from pathlib import Path

import pytest

from sr_core.cli.main import main
from sr_core.contract import ExitCode
from sr_core.models.catalogue import published, shipped
from sr_core.tiers import TIERS
from tests.clips import make_clip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_clip(tmp_path_factory.mktemp("estimate") / "clip.mp4", frames=6))


def rows(text: str) -> list[list[str]]:
    """The table's cells, without its headings."""
    table = text.split("\n\n")[1]
    return [line.split() for line in table.splitlines()[1:]]


def test_without_a_network_each_that_has_a_name_stands_on_the_tier_that_a_job_takes(
    clip: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["estimate", clip]) == ExitCode.OK

    found = rows(capsys.readouterr().out)
    assert [row[0] for row in found] == [*shipped(), *published()]
    assert all(row[3] == "*" for row in found)


def test_with_a_network_every_tier_is_told(clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    # Given a network that was never pulled: what it costs is known without its weights
    assert main(["estimate", clip, "--model", "realesrgan-x4plus"]) == ExitCode.OK

    found = rows(capsys.readouterr().out)
    assert {row[0] for row in found} == {"realesrgan-x4plus"}
    assert sorted(row[2] for row in found) == sorted(TIERS)


def test_a_tier_can_be_asked_for_and_what_no_tier_has_is_not_told(
    clip: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["estimate", clip, "--model", "compact-x2", "--tier", "memory"]) == ExitCode.OK
    assert [row[2] for row in rows(capsys.readouterr().out) if row[3] == "*"] == ["memory"]

    # and of what is asked for on a CPU, nothing is told of GPUs
    assert main(["estimate", clip, "--model", "compact-x2", "--device", "cpu"]) == ExitCode.OK
    assert [row[2] for row in rows(capsys.readouterr().out)] == ["cpu", "local"]


def test_what_a_job_takes_is_told_of_a_deployment_that_chooses_among_fewer(
    clip: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a deployment for an account without GPUs, whose config says so
    monkeypatch.setenv("SR_TIERS", "cpu")

    assert main(["estimate", clip]) == ExitCode.OK

    text = capsys.readouterr().out
    assert {row[2] for row in rows(text)} == {"cpu"}
    assert "if its deployment's plans choose among cpu (SR_TIERS)" in text

    # and a name that is none is refused in a line that says where it stands
    monkeypatch.setenv("SR_TIERS", "gpu")
    assert main(["estimate", clip]) == ExitCode.INPUT
    assert "SR_TIERS: there is no tier gpu; there are standard, premium, memory, cpu" in capsys.readouterr().err


def test_a_machine_reads_the_same_in_json(clip: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", clip, "--scale", "4", "--json"]) == ExitCode.OK

    answer = json.loads(capsys.readouterr().out)
    of_scale_4 = [name for name, entry in shipped().items() if entry.scale == 4]
    of_scale_4 += [name for name, entry in published().items() if entry.spec.scale == 4]
    assert {(each["model"], each["tier"]) for each in answer["estimates"]} == {
        (name, tier) for name in of_scale_4 for tier in TIERS
    }
    assert answer["video"]["frame_count"] == 6
    assert (answer["refusals"], len(answer["not_counted"])) == ({}, 3)


def test_what_only_a_gpu_can_do_is_planned_for_the_gpu_that_a_job_takes(
    clip: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given kernels that this machine would refuse
    assert main(["estimate", clip, "--model", "compact-x2", "--kernels", "fused"]) == ExitCode.OK
    assert {row[0] for row in rows(capsys.readouterr().out)} == {"compact-x2"}

    # and a precision that only one tier's GPU has
    assert main(["estimate", clip, "--model", "compact-x2", "--precision", "bf16"]) == ExitCode.OK
    assert next(row[2:4] for row in rows(capsys.readouterr().out)) == ["premium", "*"]

    # and one that the GPU of the tier that was asked for does not have
    refused = ["estimate", clip, "--model", "compact-x2", "--precision", "bf16", "--tier", "standard"]
    assert main(refused) == ExitCode.INPUT
    assert "the GPU of tier standard does not compute in bf16; choose fp16, or tier premium" in capsys.readouterr().err


def test_a_network_that_cannot_do_it_is_named_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given a picture so wide that four times as wide is more than any codec holds
    wide = str(make_clip(tmp_path / "wide.mp4", frames=2, size=(4800, 32)))

    assert main(["estimate", wide]) == ExitCode.OK

    text = capsys.readouterr().out
    assert "compact-x4: no estimate: the output would be 19200×128, over the limit" in text
    assert "compact-x4" not in [row[0] for row in rows(text)]


@pytest.mark.parametrize(
    "options",
    [
        ("--crf", "99"),
        ("--model", "no-such-network"),
        ("--scale", "3"),
        ("--model", "compact-x2", "--scale", "4"),
    ],
)
def test_where_there_is_nothing_to_tell_one_line_says_why(
    options: tuple[str, ...], clip: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["estimate", clip, *options]) == ExitCode.INPUT
    assert capsys.readouterr().err.count("\n") == 1

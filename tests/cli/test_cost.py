"""A finished job says what it used: each stage on a machine of its own, as in the cloud, told to people and to JSON."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sr_core import metadata_service
from sr_core.cli.cost import amount
from sr_core.cli.main import main
from sr_core.contract import ENV_BATCH_JOB_ID, REPORT_KEY, REQUEST_KEY, ExitCode
from sr_core.metadata_service import ENV_ENDPOINT
from sr_core.request import make_request
from sr_core.types import Settings
from tests.clips import make_clip
from tests.metadata_service import MetadataServer, machine

__all__ = ["machine"]


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job folder with a request, of two segments."""
    source = make_clip(tmp_path / "in.mp4")
    request, _weights = make_request(str(source), str(tmp_path / "out.mp4"), Settings(preset="ultrafast"))
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / REQUEST_KEY).write_bytes(request.to_json())
    return tmp_path / "job"


@pytest.fixture
def forgetful() -> Iterator[None]:
    """All commands of a test run in this process, which asks once what machine it is on."""
    yield
    metadata_service._asked.cache_clear()


@pytest.mark.parametrize(
    ("value", "written"),
    [(1234.56, "1234.6"), (12.346, "12.35"), (0.0123, "0.012"), (0.0001, "0.0001"), (0.000073, "<0.0001"), (0.0, "0")],
)
def test_an_amount_is_written_in_few_digits_and_without_exponent(value: float, written: str) -> None:
    assert amount(value) == written


def run(*arguments: str) -> None:
    metadata_service._asked.cache_clear()
    assert main(arguments) == ExitCode.OK


def run_all(job: Path) -> None:
    run("extract", "--job", str(job), "--chunk-segments", "1")
    for chunk in ("0", "1"):
        run("upscale", "--job", str(job), "--chunk", chunk)
    run("assemble", "--job", str(job))


def receipt(job: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((job / "receipts" / name).read_bytes())
    return found


def test_a_job_in_the_cloud_tells_machine_time_and_dollars(
    job: Path,
    machine: MetadataServer,
    forgetful: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def move_to(instance_type: str, market: str) -> None:
        machine.values |= {
            "/latest/meta-data/instance-type": instance_type,
            "/latest/meta-data/instance-life-cycle": market,
        }

    # Given a job of two chunks, of which the second goes to On-Demand
    monkeypatch.setenv(ENV_BATCH_JOB_ID, "job-1")
    monkeypatch.setenv(ENV_ENDPOINT, machine.endpoint)
    move_to("c5.2xlarge", "spot")
    run("extract", "--job", str(job), "--chunk-segments", "1")
    move_to("g4dn.xlarge", "spot")
    run("upscale", "--job", str(job), "--chunk", "0")
    move_to("g4dn.xlarge", "on-demand")
    run("upscale", "--job", str(job), "--chunk", "1")
    move_to("c5.4xlarge", "spot")
    capsys.readouterr()

    # When it is assembled
    run("assemble", "--job", str(job))

    # Then each receipt names the machine that its work was done on
    first, second = (receipt(job, f"upscale/0000{index}.json") for index in (0, 1))
    assert [(each["instance_type"], each["market"]) for each in (first, second)] == [
        ("g4dn.xlarge", "spot"),
        ("g4dn.xlarge", "on-demand"),
    ]

    # and the report adds them up
    report = json.loads((job / REPORT_KEY).read_bytes())
    cost = report["cost"]
    seconds = [each["timing"]["total_seconds"] for each in (second, first)]
    cutting = sum(receipt(job, f"extract/0000{index}.json")["timing"]["total_seconds"] for index in (0, 1))
    assert [(each["stage"], each["instance_type"], each["market"], each["seconds"]) for each in cost["used"]] == [
        ("extract", "c5.2xlarge", "spot", pytest.approx(cutting)),
        ("upscale", "g4dn.xlarge", "on-demand", seconds[0]),
        ("upscale", "g4dn.xlarge", "spot", seconds[1]),
        ("assemble", "c5.4xlarge", "spot", report["assemble_seconds"]),
    ]
    assert cost["usd"] == pytest.approx((cutting * 0.142 / 2 + seconds[0] * 0.526 + seconds[1] * 0.208) / 3600)
    assert "not the bill" in cost["prices"]
    assert any("c5.4xlarge" in each for each in cost["not_counted"])

    # and says so in a line, then and later
    line = (
        f"{amount(cost['usd'])} $ by listed prices: extract, {cutting:.0f} s on c5.2xlarge (spot), "
        f"upscale, {seconds[0]:.0f} s on g4dn.xlarge (on-demand), upscale, {seconds[1]:.0f} s on g4dn.xlarge (spot); "
        "not the bill, report.json says what it leaves out\n"
    )
    assert capsys.readouterr().out.endswith(f"\n{line}")
    run("status", str(job))
    assert f"\n  cost      {line}" in capsys.readouterr().out
    run("status", str(job), "--json")
    assert json.loads(capsys.readouterr().out)["report"]["cost"] == cost


def test_the_whole_pipeline_in_one_job_tells_it_below_its_result(
    tmp_path: Path,
    machine: MetadataServer,
    forgetful: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(ENV_BATCH_JOB_ID, "job-1")
    monkeypatch.setenv(ENV_ENDPOINT, machine.endpoint)

    run("run", str(make_clip(tmp_path / "in.mp4", frames=4)), "--preset", "ultrafast")

    result, cost = capsys.readouterr().out.splitlines()
    assert "4 frames" in result
    assert " $ by listed prices: upscale, " in cost


def test_a_job_on_a_laptop_asks_nobody_and_tells_seconds_alone(
    job: Path,
    machine: MetadataServer,
    forgetful: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Given that there is a metadata service, but no Batch
    monkeypatch.delenv(ENV_BATCH_JOB_ID, raising=False)
    monkeypatch.setenv(ENV_ENDPOINT, machine.endpoint)

    run_all(job)

    report = json.loads((job / REPORT_KEY).read_bytes())
    assert machine.questions == []
    assert {(each["instance_type"], each["market"], each["usd"]) for each in report["cost"]["used"]} == {
        (None, None, None)
    }
    assert [each["stage"] for each in report["cost"]["used"]] == ["extract", "upscale", "assemble"]
    assert report["cost"]["used"][1]["seconds"] == report["upscale_seconds"]
    assert (report["cost"]["usd"], report["cost"]["prices"], report["cost"]["not_counted"]) == (None, None, [])
    capsys.readouterr()
    run("status", str(job))
    assert "cost" not in capsys.readouterr().out


def test_a_machine_that_does_not_tell_what_it_is_does_its_work(
    job: Path, machine: MetadataServer, forgetful: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENV_BATCH_JOB_ID, "job-1")
    monkeypatch.setenv(ENV_ENDPOINT, machine.endpoint)
    machine.status = 503

    run_all(job)

    assert receipt(job, "upscale/00000.json")["instance_type"] is None
    assert receipt(job, "upscale/00000.json")["machine"] == "job-1"


def test_a_report_and_receipts_of_an_earlier_version_are_read(
    job: Path, forgetful: None, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given a folder whose receipts and report were written before there was a word of machines in them
    run_all(job)
    for path in (job / "receipts").glob("*/*.json"):
        earlier = json.loads(path.read_bytes())
        del earlier["instance_type"], earlier["market"]
        path.write_text(json.dumps(earlier))
    report = json.loads((job / REPORT_KEY).read_bytes())
    del report["cost"]
    (job / REPORT_KEY).write_text(json.dumps(report))
    capsys.readouterr()

    # Then the job is done
    run("status", str(job))
    assert "\n  done      36 frames" in capsys.readouterr().out

    # and none of its work is done again when it is started once more
    kept = {path: path.read_text() for path in (job / "receipts").glob("*/*.json")}
    run_all(job)
    assert {path: path.read_text() for path in (job / "receipts").glob("*/*.json")} == kept

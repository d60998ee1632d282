"""What the documents on deploying say about the code, as far as it can go stale."""

import json
import re

import pytest

from sr_core.tiers import TIERS
from stacks.config import load_config
from stacks.constructs.announcements import EVENT_BATCH_DONE, EVENT_BATCH_FAILED, EVENT_DONE, EVENT_FAILED
from stacks.constructs.stop_workflow import EVENT_NOT_STOPPED, EVENT_STOPPED

from .conftest import ROOT
from .reading import Assembly

CHOICES = (
    "Spot or On-Demand",
    "Spot Fleet",
    "S3, EBS, EFS or FSx",
    "Instance types",
    "Savings Plans",
    "machines by hand",
    "dependencies and arrays, or Step Functions",
    "an orchestrator of one's own",
    "Standard or Express",
    "SageMaker or EC2",
    "Network",
)
FIGURE = r"\d[\d.,]* (?:\$|%|[GT]i?B|m?s|minutes)(?!\w)|\d\.\d+ of\b"
"""A number with its unit, or a share of something: ``33 $``, ``0.40 of On-Demand``."""


def sections() -> dict[str, str]:
    parts = re.split(r"^## ", (ROOT / "docs" / "tradeoffs.md").read_text(), flags=re.MULTILINE)[1:]
    return {part.splitlines()[0]: part for part in parts}


@pytest.mark.parametrize("choice", CHOICES)
def test_each_choice_has_a_verdict_a_figure_and_a_place_in_the_code(choice: str) -> None:
    (text,) = [text for title, text in sections().items() if choice in title]
    assert "**" in text, "no verdict"
    assert re.search(FIGURE, text.split("\n", 1)[1]), "no figure"
    assert re.search(r"`(stacks|sr_core|config)/|`DeployConfig", text), "no place in the code"


def test_the_prices_are_those_that_choosing_goes_by() -> None:
    text = (ROOT / "docs" / "tradeoffs.md").read_text()
    for machine in TIERS.values():
        if machine.instance_type is not None:
            (row,) = re.findall(rf"^\| {re.escape(machine.instance_type)} \| ([\d.]+) \|", text, flags=re.MULTILINE)
            assert float(row) == machine.on_demand_usd_per_hour


@pytest.mark.parametrize(("column", "example"), [(3, "trial"), (4, "production")])
def test_the_quotas_to_ask_for_are_the_caps_of_the_configs(column: int, example: str) -> None:
    # quotas count vCPUs; the trial's GPU tiers run one at a time
    pools = load_config(f"config/{example}.yaml", root=ROOT).pools
    gpu = (pools.standard, pools.premium, pools.memory)
    cpu = (pools.cpu, pools.cpu_memory)
    together = max if example == "trial" else sum
    caps = [
        together(pool.max_vcpus for pool in gpu),
        together(pool.on_demand_max_vcpus for pool in gpu),
        sum(pool.max_vcpus for pool in cpu),
        sum(pool.on_demand_max_vcpus for pool in cpu),
    ]
    rows = re.findall(r"^ *\| .* \| L-\w{8} \|.*$", (ROOT / "docs" / "deploy.md").read_text(), flags=re.MULTILINE)
    assert [int(row.split("|")[column + 1]) for row in rows] == caps


def test_what_deploying_is_said_to_make_is_what_it_makes(assemblies: dict[str, Assembly]) -> None:
    # given NAME in the document, which stands for the config's name
    text = (ROOT / "docs" / "deploy.md").read_text()
    stacks = re.findall(r"^    NAME-(\w+)", text, flags=re.MULTILINE)
    for example, assembly in assemblies.items():
        name = load_config(f"config/{example}.yaml", root=ROOT).name
        made = [path.name.removesuffix(".template.json") for path in assembly.folder.glob("*.template.json")]
        assert sorted(made) == sorted(f"{name}-{stack}" for stack in stacks)
        assert assembly.one("Logs::LogGroup", "JobLogs").properties["LogGroupName"] == f"/{name}/jobs"
    assert "`aws logs tail /NAME/jobs --follow`" in text


def test_every_event_that_is_announced_is_in_the_document() -> None:
    text = (ROOT / "docs" / "deploy.md").read_text()
    for event in (EVENT_DONE, EVENT_FAILED, EVENT_BATCH_DONE, EVENT_BATCH_FAILED):
        assert f"`{event}`" in text


def test_every_mail_that_wakes_someone_is_explained_with_what_to_do(production: Assembly) -> None:
    # given the rows of the table, by what is in their first column
    text = (ROOT / "docs" / "deploy.md").read_text()
    (night,) = re.findall(r"^## At night\n(.*?)^## ", text, flags=re.MULTILINE | re.DOTALL)
    rows = [
        [cell.strip() for cell in row.strip("| ").split(" | ")] for row in re.findall(r"^\| .*\|$", night, re.MULTILINE)
    ]
    assert all(len(row) == 3 and all(row) for row in rows)
    explained = " ".join(row[0] for row in rows)
    # then every subject, every event of a rule, and every alarm is there
    subjects = (EVENT_FAILED, EVENT_BATCH_DONE, EVENT_BATCH_FAILED, EVENT_STOPPED, EVENT_NOT_STOPPED)
    rules = [rule.properties["Targets"][0].get("InputTransformer") for rule in production.of("Events::Rule")]
    told = {json.loads(re.sub(r":<[\w-]+>", ":0", rule["InputTemplate"]))["event"] for rule in rules if rule}
    assert told == {"Queue blocked", "Execution cut off"}
    alarms = {f"NAME-{alarm.name.rsplit('/')[-1]}" for alarm in production.of("CloudWatch::Alarm")}
    assert alarms
    for name in (*subjects, *told, *alarms):
        assert f"`{name}`" in explained, name

"""Addresses in the AWS console, for mails and pages that a person reads at night."""

from urllib.parse import quote


def page(region: str, service: str, path: str) -> str:
    """A page of a service."""
    return f"https://{region}.console.aws.amazon.com/{service}/home?region={region}#{path}"


def dashboard(region: str, name: str) -> str:
    return page(region, "cloudwatch", f"dashboards/dashboard/{name}")


def log_group(region: str, name: str) -> str:
    """The page of a log group, whose name it encodes in its own way: twice, with dollar signs for the second time."""
    return page(region, "cloudwatch", f"logsV2:log-groups/log-group/{quote(name, safe='').replace('%', '$25')}")


def executions(region: str, state_machine_arn: str) -> str:
    """A state machine with its executions."""
    return page(region, "states", f"/statemachines/view/{state_machine_arn}")


def execution(region: str, arn: str) -> str:
    return page(region, "states", f"/v2/executions/details/{arn}")


def job_queues(region: str) -> str:
    return page(region, "batch", "queues")

"""The state machine `StopWork`: stops every execution, then whatever job is left, and looks again until nothing runs.

    StopExecutions (batches first, that they start no more) ─> wait ─> EndJobs (each queue) ─> Quiet?
         └────────────── no: another round, ROUNDS at most <───────────────────────┘ yes ─> Announce

Aborting an execution ends its jobs; the sweep of the queues after it is for those that this missed, and for jobs of
nobody's. Nothing is lost but the segment that a job has in hand: started again, the same request goes on where its
receipts end. An answer that cannot be had counts as something that runs, so success means that a whole round found
nothing. Some two thousand executions and jobs fit into one execution's history; cut off by it, it is started again.
Pure, like `video_workflow`. Input of an execution: whatever; it is not read.
"""

from collections.abc import Mapping, Sequence

from stacks.constructs.announcements import announce_failure, tell_bus, tell_topic
from stacks.constructs.asl import SERVICE_RETRY, State, States, choice, named_failure, pass_to

EVENT_STOPPED = "Work stopped"
EVENT_NOT_STOPPED = "Work still runs"
WORK_STOPPED = "WorkStopped"
"""Error of an execution that this one has stopped: told once, by this one (`silent_trouble`)."""
ROUNDS = 8
SETTLING_SECONDS = 90
"""After executions were stopped, before jobs are looked for: a job has 30 seconds between SIGTERM and SIGKILL."""
PAGE = 100
"""Executions or jobs of one listing: a state holds 256 KB."""
STATUSES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")
"""Of a job that has not ended, in the order in which it passes through them: none slips past the listings."""
HOW_TO_GO_ON = (
    "Nothing that was done is lost. Start the same executions and manifests again and they go on where they stopped; "
    "if a budget has stopped the work, lift that first (docs/deploy.md, When the work was stopped)."
)


def stop_workflow(*, state_machines: Mapping[str, str], queues: Sequence[str], topic: str) -> State:
    """The whole definition. `state_machines` are ARNs by name, in the order in which they are stopped."""
    stopped = {f"{name}.$": f"States.ArrayGetItem($.first, {place})" for place, name in enumerate(state_machines)}
    told = {"execution.$": "$$.Execution.Id", "stopped.$": "$.stopped", "help": HOW_TO_GO_ON}
    return {
        "Comment": "Stops every execution and every job of this deployment, and tells when nothing runs any more.",
        "StartAt": "Begin",
        "States": {
            "Begin": pass_to(
                "StopExecutions",
                {
                    "round": 1,
                    "machines": list(state_machines.values()),
                    "places": [{"queue": queue, "status": status} for status in STATUSES for queue in queues],
                    "found": {},
                },
            ),
            "StopExecutions": _stop_executions(next_state="Settle"),
            "Settle": {"Type": "Wait", "Seconds": SETTLING_SECONDS, "Next": "EndJobs"},
            "EndJobs": _end_jobs(next_state="IsFirst"),
            "IsFirst": choice({"Variable": "$.round", "NumericEquals": 1, "Next": "KeepFirst"}, otherwise="Summary"),
            "KeepFirst": {
                "Type": "Pass",
                "InputPath": "$.found.executions",
                "ResultPath": "$.first",
                "Next": "Summary",
            },
            # The language adds no list up; but one of nothing but 0 is known once each number stands in it once.
            "Summary": pass_to(
                "IsQuiet",
                {
                    name: f"States.JsonToString(States.ArrayUnique($.found.{name.removesuffix('.$')}))"
                    for name in ("executions.$", "jobs.$")
                },
                at="$.summary",
            ),
            "IsQuiet": choice(
                {
                    "And": [
                        {"Variable": "$.summary.executions", "StringEquals": "[0]"},
                        {"Variable": "$.summary.jobs", "StringEquals": "[0]"},
                    ],
                    "Next": "Stopped",
                },
                {"Variable": "$.round", "NumericGreaterThanEquals": ROUNDS, "Next": "StillRuns"},
                otherwise="NextRound",
            ),
            "NextRound": pass_to(
                "StopExecutions",
                {
                    "round.$": "States.MathAdd($.round, 1)",
                    **{f"{name}.$": f"$.{name}" for name in ("machines", "places", "first")},
                    "found": {},
                },
            ),
            "Stopped": pass_to("Announce", stopped, at="$.stopped"),
            "Announce": tell_bus(EVENT_STOPPED, told, next_state="Notify"),
            "Notify": tell_topic(topic, EVENT_STOPPED, told, next_state="Done"),
            "Done": {"Type": "Pass", "Parameters": {"stopped.$": "$.stopped", "rounds.$": "$.round"}, "End": True},
            "StillRuns": named_failure(
                "WorkStillRuns",
                cause={
                    "Cause": f"after {ROUNDS} rounds there were still executions or jobs, or they could not be listed "
                    "or ended: money goes on being spent. Look at this execution's states for what was refused, abort "
                    "executions in the Step Functions console and terminate jobs in the Batch console by hand"
                },
                next_state="AnnounceFailure",
            ),
            **announce_failure(topic, event=EVENT_NOT_STOPPED),
        },
    }


def _stop_executions(*, next_state: str) -> State:
    listing = {"StateMachineArn.$": "$.machine", "StatusFilter": "RUNNING", "MaxResults": PAGE}
    cause = "stopped with everything else by StopWork; started again, it goes on where it stopped"
    return _each(
        "$.machines",
        # One after the other: what starts executions is stopped before what it starts.
        concurrency=1,
        selector={"machine.$": "$$.Map.Item.Value", "count": 0},
        start="ListExecutions",
        states={
            "ListExecutions": _ask(
                "sfn:listExecutions", listing, next_state="HasExecutions", unknown="ExecutionsUnknown"
            ),
            "HasExecutions": choice(
                {"Variable": "$.page.Executions[0]", "IsPresent": True, "Next": "StopThese"}, otherwise="ExecutionsDone"
            ),
            "StopThese": _each(
                "$.page.Executions",
                concurrency=10,
                selector={"arn.$": "$$.Map.Item.Value.ExecutionArn"},
                start="StopExecution",
                states=_try(
                    "StopExecution",
                    "sfn:stopExecution",
                    {"ExecutionArn.$": "$.arn", "Error": WORK_STOPPED, "Cause": cause},
                ),
                at=None,
                next_state="CountExecutions",
            ),
            "CountExecutions": pass_to(
                "MoreExecutions",
                {
                    "machine.$": "$.machine",
                    "count.$": "States.MathAdd($.count, States.ArrayLength($.page.Executions))",
                    "page.$": "$.page",
                },
            ),
            "MoreExecutions": choice(
                {"Variable": "$.page.NextToken", "IsPresent": True, "Next": "ListNextExecutions"},
                otherwise="ExecutionsDone",
            ),
            "ListNextExecutions": _ask(
                "sfn:listExecutions",
                {**listing, "NextToken.$": "$.page.NextToken"},
                next_state="HasExecutions",
                unknown="ExecutionsUnknown",
            ),
            "ExecutionsDone": {"Type": "Pass", "OutputPath": "$.count", "End": True},
            **_unknown("ExecutionsUnknown"),
        },
        at="$.found.executions",
        next_state=next_state,
    )


def _end_jobs(*, next_state: str) -> State:
    one_status = {
        "ListJobs": _ask(
            "batch:listJobs",
            {"JobQueue.$": "$.queue", "JobStatus.$": "$.status", "MaxResults": PAGE},
            next_state="HasJobs",
            unknown="JobsUnknown",
        ),
        "HasJobs": choice(
            {"Variable": "$.page.JobSummaryList[0]", "IsPresent": True, "Next": "EndThese"}, otherwise="NoJobs"
        ),
        # A page of them: another round has the next.
        "EndThese": _each(
            "$.page.JobSummaryList",
            concurrency=10,
            selector={"id.$": "$$.Map.Item.Value.JobId"},
            start="TerminateJob",
            states=_try(
                "TerminateJob",
                "batch:terminateJob",
                {"JobId.$": "$.id", "Reason": "stopped with everything else by StopWork"},
            ),
            at=None,
            next_state="CountJobs",
        ),
        "CountJobs": {
            "Type": "Pass",
            "Parameters": {"count.$": "States.ArrayLength($.page.JobSummaryList)"},
            "OutputPath": "$.count",
            "End": True,
        },
        "NoJobs": {"Type": "Pass", "Result": 0, "End": True},
        **_unknown("JobsUnknown"),
    }
    return _each(
        "$.places",
        # One after the other, or a job could pass from a status that is still to be listed into one that was.
        concurrency=1,
        selector={"queue.$": "$$.Map.Item.Value.queue", "status.$": "$$.Map.Item.Value.status"},
        start="ListJobs",
        states=one_status,
        at="$.found.jobs",
        next_state=next_state,
    )


def _each(
    items: str,
    *,
    concurrency: int,
    selector: State,
    start: str,
    states: States,
    at: str | None,
    next_state: str | None,
) -> State:
    """A Map that runs within this execution. Its states catch what they meet, so it does not fail."""
    return {
        "Type": "Map",
        "ItemsPath": items,
        "MaxConcurrency": concurrency,
        "ItemSelector": selector,
        "ItemProcessor": {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": start, "States": states},
        "ResultPath": at,
        **({"End": True} if next_state is None else {"Next": next_state}),
    }


def _ask(action: str, parameters: State, *, next_state: str, unknown: str) -> State:
    """A listing, put at ``$.page``."""
    return {
        "Type": "Task",
        "Resource": f"arn:aws:states:::aws-sdk:{action}",
        "Parameters": parameters,
        "Retry": [SERVICE_RETRY],
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.refused", "Next": unknown}],
        "ResultPath": "$.page",
        "Next": next_state,
    }


def _unknown(name: str) -> States:
    """What could not be listed is taken to run."""
    return {name: {"Type": "Pass", "Result": 1, "End": True}}


def _try(name: str, action: str, parameters: State) -> States:
    """A call that may fail: whether it had an effect is seen in the next round."""
    refused = f"{name}Refused"
    return {
        name: {
            "Type": "Task",
            "Resource": f"arn:aws:states:::aws-sdk:{action}",
            "Parameters": parameters,
            "Retry": [SERVICE_RETRY],
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.refused", "Next": refused}],
            "ResultPath": None,
            "End": True,
        },
        refused: {"Type": "Pass", "End": True},
    }

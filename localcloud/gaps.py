"""Every place where moto 5.2 is changed to behave as AWS does, each with its reason. Nothing else touches moto.

Rewrites of the templates themselves are listed in `rewrites`; what moto's S3 leaves out is added in front of it, by
`edge`. All changes are undone when `mended` ends.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import moto.backends as moto_backends
import moto.batch.models as moto_batch
import moto.stepfunctions.parser.asl.component.common.retry.retrier_decl as moto_retrier
import moto.stepfunctions.parser.asl.utils.boto_client as moto_clients
import moto.stepfunctions.parser.asl.utils.json_path as moto_paths
from antlr4 import RuleContext
from moto.batch.responses import BatchResponse
from moto.core.exceptions import JsonRESTError
from moto.stepfunctions.parser.asl.antlr.runtime.ASLParser import ASLParser
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEventException
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader import item_reader_decl as moto_reader
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.reader_config.input_type import InputType
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor import (
    distributed_item_processor_worker as moto_map,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_callback as moto_callback,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_batch import (
    StateTaskServiceBatch,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_events import (
    StateTaskServiceEvents,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_sfn import (
    StateTaskServiceSfn,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_sns import (
    StateTaskServiceSns,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction

from localcloud import clients, json_lines, kept, parse_trees, task_words, waits
from localcloud.batch import LocalJob, submitted_retry_strategy
from localcloud.control import Control
from localcloud.execution import is_running
from localcloud.map_run import evaluated_apart
from localcloud.workflow_rights import check

Json = dict[str, Any]
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One change: what replaces `owner.name`, made from the original and the control."""

    reason: str
    owner: Any
    name: str
    make: Callable[[Any, Control], Any]


@contextmanager
def mended(control: Control) -> Iterator[None]:
    """Changes moto while it lasts."""
    originals = [(gap, getattr(gap.owner, gap.name)) for gap in GAPS]
    try:
        for gap, original in originals:
            setattr(gap.owner, gap.name, gap.make(original, control))
        yield
    finally:
        for gap, original in originals:
            setattr(gap.owner, gap.name, original)


def _submission(original: Any, control: Control) -> Any:
    def submitjob(self: Any) -> Any:
        overrides = self._get_param("containerOverrides") or {}
        if control.refuses_submission(overrides.get("command", [])):
            # The Java SDK, on which Step Functions is built, has no class of its own for this error of Batch.
            raise JsonRESTError("AWSBatchException", "Too Many Requests")
        token = submitted_retry_strategy.set(self._get_param("retryStrategy"))
        try:
            return original(self)
        finally:
            submitted_retry_strategy.reset(token)

    return submitjob


class _Watched:
    """A `.sync` task's resolver that knows how to end what it waits for, and asks the API only when that has ended."""

    def __init__(
        self,
        resolve: Callable[[], Any],
        *,
        runs: Callable[[], bool],
        end: Callable[[], None],
        tell: Callable[[str], str] = lambda cause: cause,
    ) -> None:
        self._resolve, self._runs, self.end, self._tell = resolve, runs, end, tell

    def __call__(self) -> Any:
        if self._runs():
            return None
        try:
            return self._resolve()
        except FailureEventException as failure:
            details: Any = failure.failure_event.event_details
            failed = details["taskFailedEventDetails"]
            failed["cause"] = self._tell(failed["cause"])
            raise


def _job_resolver(original: Any, control: Control) -> Any:
    def build(self: Any, env: Any, **arguments: Any) -> _Watched:
        job_id = env.stack[-1]["JobId"]
        resolve = original(self, env=env, **arguments)
        return _Watched(
            resolve,
            runs=partial(control.job_runs, job_id),
            end=partial(control.terminate_job, job_id),
            tell=partial(control.cause_of, job_id),
        )

    return build


def _execution_resolver(original: Any, control: Control) -> Any:
    def build(self: Any, env: Any, **arguments: Any) -> _Watched:
        arn = env.stack[-1]["ExecutionArn"]
        resolve = original(self, env=env, **arguments)
        return _Watched(resolve, runs=partial(is_running, arn), end=partial(control.stop_execution, arn))

    return build


def _authorized(original: Any, control: Control) -> Any:
    def evaluate(self: Any, env: Any, normalised_parameters: Json, **more: Any) -> None:
        policy = control.policy(env.aws_execution_details.role_arn)
        check(policy, self._get_boto_service_name(), self._get_boto_service_action(), normalised_parameters)
        original(self, env=env, normalised_parameters=normalised_parameters, **more)

    return evaluate


def _sync(original: Any, _control: Control) -> Any:
    def evaluate(self: Any, env: Any, sync_resolver: Any, **arguments: Any) -> Any:
        outcome = original(self, env=env, sync_resolver=sync_resolver, **arguments)
        if outcome is None and isinstance(sync_resolver, _Watched):
            sync_resolver.end()
        return outcome

    return evaluate


GAPS = (
    Gap(
        reason="an empty method: no parameter reaches boto3 under its name, no dict becomes a body (moto #10076)",
        owner=StateTaskService,
        name="_normalise_parameters",
        make=task_words.parameters,
    ),
    Gap(
        reason="executions that are started without a name are all named None; AWS makes up a name for each",
        owner=StateTaskServiceSfn,
        name="_normalise_parameters",
        make=task_words.named_execution,
    ),
    Gap(
        reason="an empty method: no answer gets Step Functions' names, no body becomes text (moto #10076)",
        owner=StateTaskService,
        name="_normalise_response",
        make=task_words.answer,
    ),
    Gap(
        reason="jobs need Docker, and know neither attempts, queues nor rules",
        owner=moto_batch,
        name="Job",
        make=lambda _original, control: partial(LocalJob, control),
    ),
    Gap(
        reason="a submission's retry strategy is dropped; and here submissions are throttled on demand",
        owner=BatchResponse,
        name="submitjob",
        make=_submission,
    ),
    Gap(
        reason="an aborted or timed-out task leaves its job running; AWS terminates it",
        owner=StateTaskServiceBatch,
        name="_build_sync_resolver",
        make=_job_resolver,
    ),
    Gap(
        reason="an aborted task leaves its execution running; AWS stops it",
        owner=StateTaskServiceSfn,
        name="_build_sync2_resolver",
        make=_execution_resolver,
    ),
    *(
        Gap(
            reason="a task may do anything; AWS asks the state machine's role",
            owner=owner,
            name="_eval_service_task",
            make=_authorized,
        )
        for owner in (
            StateTaskServiceAwsSdk,
            StateTaskServiceBatch,
            StateTaskServiceEvents,
            StateTaskServiceSfn,
            StateTaskServiceSns,
        )
    ),
    Gap(
        reason="the place where a task learns that it was aborted or timed out",
        owner=moto_callback.StateTaskServiceCallback,
        name="_eval_sync",
        make=_sync,
    ),
    Gap(
        reason="a failed child of a Distributed Map fails nothing, and its history is thrown away",
        owner=moto_map.DistributedItemProcessorWorker,
        name="_eval_job",
        make=lambda original, _control: evaluated_apart(original),
    ),
    Gap(
        reason="a Distributed Map reads JSON and CSV; since February 2025 AWS reads JSON Lines, too",
        owner=InputType,
        name="__init__",
        make=json_lines.known_type,
    ),
    Gap(
        reason="the same: what reads them",
        owner=moto_reader,
        name="resource_output_transformer_for",
        make=json_lines.reader_of,
    ),
    Gap(
        reason="a dataset that is not there ends moto's reading by an error of the SDK that no state can catch",
        owner=moto_reader.ItemReader,
        name="_eval_body",
        make=json_lines.named_failure,
    ),
    Gap(
        reason="half a second between two looks at a job is most of a short run",
        owner=moto_callback,
        name="_DELAY_SECONDS_SYNC_CONDITION_CHECK",
        make=lambda _original, _control: _POLL_SECONDS,
    ),
    Gap(
        reason="a definition is parsed anew for each execution: that takes longer than some executions",
        owner=ASLParser,
        name="state_machine",
        make=parse_trees.kept,
    ),
    *(
        Gap(reason=reason, owner=owner, name=name, make=kept.answers)
        for reason, owner, name in (
            ("a piece of a definition puts its text together anew whenever it is asked for", RuleContext, "getText"),
            ("a path is parsed anew whenever something is looked up by it", moto_paths, "parse"),
            ("moto looks through its own folders for each request", moto_backends, "list_of_moto_modules"),
        )
    ),
    Gap(
        reason="a client is made for every task: that takes longer than the task",
        owner=moto_clients,
        name="boto3",
        make=clients.kept,
    ),
    Gap(
        reason="waits between retries are the services' time, which is cut short here",
        owner=moto_retrier,
        name="time",
        make=waits.between_retries,
    ),
    Gap(
        reason="so are those of a Wait state; and moto waits for ever where less than a second is left",
        owner=WaitFunction,
        name="_wait_interval",
        make=waits.of_a_state,
    ),
)
"""All of them."""

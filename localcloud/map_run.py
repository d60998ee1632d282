"""The children of a Distributed Map as executions of their own: each with its history, and with a say in the outcome.

moto evaluates them but keeps nothing of it. AWS runs each child as an execution; a map that tolerates no failure fails
with its first failed child, and the others are aborted (Step Functions Developer Guide, "Setting failure thresholds").
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from moto.stepfunctions.parser.api import HistoryEventType, MapRunFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager
from moto.stepfunctions.parser.asl.eval.program_state import ProgramError, ProgramStopped

Json = dict[str, Any]
Status = Literal["RUNNING", "SUCCEEDED", "FAILED", "ABORTED"]

_THRESHOLD = StatesErrorNameType.StatesExceedToleratedFailureThreshold
_THRESHOLD_CAUSE = "The specified tolerated failure threshold was exceeded"


@dataclass(slots=True)
class Child:
    """One child execution."""

    index: int
    manager: EventManager
    status: Status = "RUNNING"

    @property
    def events(self) -> list[Json]:
        """Its history so far."""
        return [dict(event) for event in self.manager._history_event_list]


def children(map_run_record: Any) -> list[Child]:
    """The children of a map run that have begun, in the order of their items."""
    return sorted(vars(map_run_record).get("localcloud_children", ()), key=lambda child: child.index)


def evaluated_apart(original: Callable[..., None]) -> Callable[..., None]:
    """moto's evaluation of a child, with a history and an outcome that counts."""

    def evaluate(self: Any, env: Any, job: Any) -> None:
        record = self._map_run_record
        child = Child(job.job_index, EventManager())
        vars(record).setdefault("localcloud_children", []).append(child)
        env.event_manager = child.manager
        original(self, env, job)
        state = env.program_state()
        if isinstance(state, ProgramStopped):
            child.status = "ABORTED"
        elif not isinstance(state, ProgramError):
            child.status = "SUCCEEDED" if job.job_output is not None else "ABORTED"
        else:
            child.status = "FAILED"
            if record.execution_counter.failed.get() > record.tolerated_failure_count:
                job.job_output = map_failure(env, _THRESHOLD, _THRESHOLD_CAUSE)

    return evaluate


def map_failure(env: Any, kind: StatesErrorNameType, cause: str) -> FailureEventException:
    """What ends a Map by an error that Step Functions has a name for, and that a state can catch."""
    details = MapRunFailedEventDetails(error=kind.to_name(), cause=cause)
    return FailureEventException(
        failure_event=FailureEvent(
            env=env,
            error_name=StatesErrorName(typ=kind),
            event_type=HistoryEventType.MapStateFailed,
            event_details=cast(Any, {"mapRunFailedEventDetails": details}),
        )
    )

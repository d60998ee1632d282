"""An execution of a deployed state machine: its state, its history, its end. Read through the Step Functions API.

The children of a Distributed Map come from `map_run`, since moto has no list of them.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from localcloud.map_run import Child, children

Json = dict[str, Any]
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Visit:
    """A state that was entered."""

    name: str
    chunk: int | None
    """The index of the map's item, for a state of a child."""


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution. `client` is a Step Functions client."""

    client: Any
    arn: str
    _history: list[Json] = field(default_factory=list, init=False, repr=False, compare=False)
    """The events of an execution that has come to its end: a long history takes seconds to read."""

    def describe(self) -> Json:
        """As DescribeExecution."""
        found: Json = self.client.describe_execution(executionArn=self.arn)
        return found

    @property
    def status(self) -> str:
        """RUNNING, SUCCEEDED, FAILED, ABORTED or TIMED_OUT."""
        return str(self.describe()["status"])

    def wait(self, *, seconds: float = 300.0) -> str:
        """The status at its end. Raises TimeoutError when it has not ended by then."""
        deadline = time.monotonic() + seconds
        while is_running(self.arn):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.arn} has not ended after {seconds:.0f} s; it is in {self.path()[-1:]}")
            time.sleep(_POLL_SECONDS)
        return self.status

    def abort(self) -> None:
        """Stops it, as StopExecution does."""
        self.client.stop_execution(executionArn=self.arn, error="Aborted", cause="on demand")

    def output(self) -> Json:
        """Of an execution that succeeded."""
        found: Json = json.loads(self.describe()["output"])
        return found

    def events(self) -> list[Json]:
        """Its own history, without that of its children."""
        if not self._history:
            # Looked at first: an end that comes while pages are read may be missing in them.
            has_ended = _status(self.arn) in ("SUCCEEDED", "FAILED")
            pages = self.client.get_paginator("get_execution_history").paginate(executionArn=self.arn)
            events = [event for page in pages for event in page["events"]]
            if not has_ended:
                return events
            self._history.extend(events)
        return list(self._history)

    def children(self) -> list[Child]:
        """The executions that its Distributed Map has begun, in the order of their items."""
        worker = _record(self.arn).exec_worker
        if worker is None or worker.env is None:
            return []
        return [child for record in worker.env.map_run_record_pool_manager.get_all() for child in children(record)]

    def path(self) -> list[Visit]:
        """The states that were entered: its own in their order, then each child's."""
        own = [Visit(name, None) for name in _entered(self.events())]
        return own + [Visit(name, child.index) for child in self.children() for name in _entered(child.events)]

    def states(self, *, chunk: int | None = None) -> list[str]:
        """Names of the states that were entered, by the execution itself or by the child of a chunk."""
        return [visit.name for visit in self.path() if visit.chunk == chunk]

    def submissions(self) -> Iterator[tuple[str, str, int | None]]:
        """State, queue and chunk of each submission of a job: the execution's own, then those of its children."""
        own: tuple[list[Json], int | None] = self.events(), None
        for events, chunk in (own, *((child.events, child.index) for child in self.children())):
            entered = ""
            for event in events:
                if "stateEnteredEventDetails" in event:
                    entered = event["stateEnteredEventDetails"]["name"]
                elif event["type"] == "TaskScheduled" and event["taskScheduledEventDetails"]["resourceType"] == "batch":
                    parameters = json.loads(event["taskScheduledEventDetails"]["parameters"])
                    yield entered, parameters["JobQueue"].rpartition("/")[2], chunk


def is_running(arn: str) -> bool:
    """Whether an execution runs; asked of moto's record, since a call of the API costs ten milliseconds."""
    return _status(arn) == "RUNNING"


def _status(arn: str) -> str:
    return str(_record(arn).exec_status.value)


def _record(arn: str) -> Any:
    return stepfunctions_parser_backends[DEFAULT_ACCOUNT_ID][arn.split(":")[3]].describe_execution(arn)


def _entered(events: list[Json]) -> Iterator[str]:
    for event in events:
        if "stateEnteredEventDetails" in event:
            yield event["stateEnteredEventDetails"]["name"]

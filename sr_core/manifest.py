"""What is done and what remains: the plan and the receipts of a job folder.

Done means a receipt that bears this plan's digest and whose data is there. Receipts are written after their data, once;
one that does not hold is set aside, and its unit is done again. There is no other state: listing is the checkpoint.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from sr_core import layout
from sr_core.contract import (
    CHUNKS_KEY,
    ERRORS_PREFIX,
    FAILURES_PREFIX,
    PLAN_KEY,
    REPORT_KEY,
    REQUEST_KEY,
    ROUTE_KEY,
    TIMESTAMPS_KEY,
    Stage,
)
from sr_core.errors import DamagedData, InputError, IntegrityError
from sr_core.storage import ObjectNotFound, Store, is_published
from sr_core.storage.keys import is_key
from sr_core.timestamps import FrameTable
from sr_core.told import StageError
from sr_core.types import Failure, Plan, Receipt, Report, Request

_READS_AT_ONCE = 8
"""Requests for receipts that are under way together: a film has thousands, and each waits for an answer from S3."""


class Manifest:
    """A job folder, as the stages see it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._plan_digest: str | None = None

    def request(self) -> Request:
        """Raises InputError when the folder holds no request, or one of another contract."""
        try:
            return Request.from_json(self.store.get_bytes(REQUEST_KEY))
        except ObjectNotFound:
            raise InputError(f"{self.store.uri} holds no {REQUEST_KEY}; is it a job folder?") from None
        except ValidationError as error:
            raise InputError(f"{self.store.uri}/{REQUEST_KEY} is not a request: {first_problem(error)}") from error

    def plan(self) -> Plan:
        """Raises InputError when extract has not made one yet, and what `plan_if_made` does."""
        plan = self.plan_if_made()
        if plan is None:
            raise InputError(f"{self.store.uri} holds no {PLAN_KEY}; run `sr extract --job {self.store.uri}` first")
        return plan

    def plan_if_made(self) -> Plan | None:
        """The plan, or None. Raises IntegrityError when it is damaged or was not made for the folder's request."""
        try:
            plan = Plan.from_json(self.store.get_bytes(PLAN_KEY))
        except ObjectNotFound:
            return None
        except ValidationError as error:
            raise IntegrityError(f"{self.store.uri}/{PLAN_KEY} is damaged; delete the job folder") from error
        if plan.request_digest != self.request().digest():
            raise IntegrityError(
                f"{self.store.uri}/{PLAN_KEY} was made for another request than {REQUEST_KEY}; "
                "delete the job folder and start the job again"
            )
        self._plan_digest = plan.digest()
        return plan

    def write_plan(self, plan: Plan, frames: FrameTable) -> Plan:
        """Writes the plan, once, after the frames it speaks of, and returns the one that holds.

        When two extract jobs race, the first one's plan wins.
        """
        self.store.create(TIMESTAMPS_KEY, frames.to_json())
        self.store.create(PLAN_KEY, plan.to_json())
        return self.plan()

    def write_route(self, plan: Plan) -> None:
        """Writes what the state machine needs of the plan, once everything that it leads to is there."""
        route = {"tier": plan.tier, "segment_codec": plan.segment_codec}
        self.store.put_bytes(ROUTE_KEY, json.dumps(route).encode())
        self.store.put_bytes(CHUNKS_KEY, json.dumps([{"chunk": chunk.index} for chunk in plan.chunks]).encode())

    def report_if_published(self, output: str) -> Report | None:
        """The report, if what lies at `output` is what it speaks of: then this very job has put it there."""
        try:
            report = Report.from_json(self.store.get_bytes(REPORT_KEY))
        except (ObjectNotFound, ValueError):
            return None
        return report if is_published(output, sha256=report.sha256) else None

    def may_replace(self, request: Request) -> bool:
        """Whether what lies at the request's output may be replaced: it says so, or this very job has put it there."""
        return request.overwrite or self.report_if_published(request.output) is not None

    def frames(self) -> FrameTable:
        """Raises IntegrityError when the record of the source's frames is gone or damaged."""
        try:
            return FrameTable.from_json(self.store.get_bytes(TIMESTAMPS_KEY))
        except (ObjectNotFound, ValueError, KeyError) as error:
            raise IntegrityError(
                f"{self.store.uri}/{TIMESTAMPS_KEY} is gone or damaged; run `sr extract --job {self.store.uri}` again"
            ) from error

    def has_frames(self) -> bool:
        """Whether the record of the source's frames is there and whole."""
        try:
            self.frames()
        except IntegrityError:
            return False
        return True

    def restore_frames(self, frames: FrameTable) -> None:
        """Puts the record of the source's frames back where it is gone, as objects that expire may be, or damaged."""
        if not self.has_frames():
            self.store.put_bytes(TIMESTAMPS_KEY, frames.to_json())

    def receipts(self, stage: Stage, indices: Iterable[int]) -> dict[int, Receipt]:
        """The receipts that hold, by index. Those that do not are set aside."""
        sizes = {info.key: info.size_bytes for info in self.store.list(layout.data_prefix(stage))}
        found: dict[int, Receipt] = {}
        for index, content in self._contents(stage, indices):
            receipt = self._held(content, stage, index, sizes)
            if receipt is None:
                self._set_aside(stage, index, content)
            else:
                found[index] = receipt
        return found

    def told(self, stage: Stage, indices: Iterable[int]) -> list[Receipt]:
        """What receipts tell of work on this plan, whether or not its data is still there; none is set aside."""
        found = []
        for _index, content in self._contents(stage, indices):
            with suppress(ValidationError):
                receipt = Receipt.from_json(content)
                if receipt.plan_digest == self.plan_digest:
                    found.append(receipt)
        return found

    def recorded(self, stage: Stage) -> dict[int, datetime]:
        """Units that have a receipt, and when it was written. Only listed: nothing is read, checked or set aside."""
        found = {}
        for info in self.store.list(layout.receipts_prefix(stage)):
            index = layout.receipt_index(info.key)
            if index is not None:
                found[index] = info.modified_at
        return found

    def failures(self) -> list[Failure]:
        """The chunks that the last execution gave up, in order."""
        found = []
        for info in self.store.list(FAILURES_PREFIX):
            with suppress(ObjectNotFound, ValidationError):  # another execution has begun; or it is not one of ours
                found.append(Failure.from_json(self.store.get_bytes(info.key)))
        return found

    def errors(self) -> list[StageError]:
        """What stages said that ended in an error and have not been started again, in order."""
        found = []
        for info in self.store.list(ERRORS_PREFIX):
            with suppress(ObjectNotFound, ValidationError):  # it has just been started again; or it is not one of ours
                found.append(StageError.from_json(self.store.get_bytes(info.key)))
        return sorted(found, key=lambda each: ([*Stage].index(each.stage), each.chunk or 0))

    def leave_error(self, error: StageError) -> None:
        """Writes down what a stage has to say, in place of what it said before; nothing where no job's folder is."""
        if self.store.stat(REQUEST_KEY) is not None:
            self.store.put_bytes(layout.error_key(error.stage, error.chunk), error.to_json())

    def forget_error(self, stage: Stage, chunk: int | None) -> None:
        """Removes what a stage said when it was last tried."""
        key = layout.error_key(stage, chunk)
        if self.store.stat(key) is not None:
            self.store.delete(key)

    def _contents(self, stage: Stage, indices: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """Those of the receipts that there are, with their index."""
        present = {info.key for info in self.store.list(layout.receipts_prefix(stage))}
        wanted = [index for index in indices if layout.receipt_key(stage, index) in present]
        with ThreadPoolExecutor(_READS_AT_ONCE, thread_name_prefix="receipts") as readers:
            contents = list(readers.map(self._read, [layout.receipt_key(stage, index) for index in wanted]))
        for index, content in zip(wanted, contents, strict=True):
            if content is not None:
                yield index, content

    def _read(self, key: str) -> bytes | None:
        """None when it was set aside by another worker meanwhile."""
        try:
            return self.store.get_bytes(key)
        except ObjectNotFound:
            return None

    def _held(self, content: bytes, stage: Stage, index: int, sizes: dict[str, int]) -> Receipt | None:
        try:
            receipt = Receipt.from_json(content)
        except ValidationError:
            return None
        holds = (
            (receipt.stage, receipt.index) == (stage, index)
            and receipt.plan_digest == self.plan_digest
            and (sizes.get(receipt.key) == receipt.size_bytes or self._is_there(receipt))
        )
        return receipt if holds else None

    def _is_there(self, receipt: Receipt) -> bool:
        """Whether the data is there now: another worker may have stored it since it was listed."""
        found = self.store.stat(receipt.key) if is_key(receipt.key) else None
        return found is not None and found.size_bytes == receipt.size_bytes

    @property
    def plan_digest(self) -> str:
        """Digest of the job's plan."""
        if self._plan_digest is None:
            self.plan()
        assert self._plan_digest is not None, "reading the plan sets its digest"
        return self._plan_digest

    def commit(self, receipt: Receipt, path: Path) -> Receipt:
        """Stores the data at `path`, then its receipt, and returns the receipt that holds.

        When another worker was first, its receipt wins, and data of ours that differs from its is removed again.
        """
        self.store.put(receipt.key, path, sha256=receipt.sha256)
        key = layout.receipt_key(receipt.stage, receipt.index)
        for _ in range(2):
            if self.store.create(key, receipt.to_json()):
                return receipt
            winner = self.receipts(receipt.stage, [receipt.index]).get(receipt.index)
            if winner is not None:
                if winner.key != receipt.key:
                    self.store.delete(receipt.key)
                return winner
            # The receipt in the way did not hold and is set aside now: ours can take its place.
        raise IntegrityError(f"{self.store.uri}/{key} keeps coming back without its data; delete the job folder")

    def fetch(self, receipt: Receipt, folder: Path) -> Path:
        """A local file with the receipt's data, checked.

        Raises DamagedData, after setting the receipt aside, when the data is gone or is not what the receipt says.
        """
        try:
            return self.store.fetch(receipt.key, folder, sha256=receipt.sha256)
        except (ObjectNotFound, DamagedData) as error:
            self.set_aside(receipt)
            raise DamagedData(
                f"{self.store.uri}/{receipt.key} is gone or damaged; its receipt is set aside: start the job again",
                key=receipt.key,
            ) from error

    def set_aside(self, receipt: Receipt) -> None:
        """Makes a receipt hold no longer, so that its work is done again; a copy of it is kept."""
        self._set_aside(receipt.stage, receipt.index, receipt.to_json())

    def _set_aside(self, stage: Stage, index: int, content: bytes) -> None:
        digest = hashlib.sha256(content).hexdigest()
        self.store.put_bytes(layout.set_aside_key(stage, index, digest=digest), content)
        self.store.delete(layout.receipt_key(stage, index))


def first_problem(error: ValidationError) -> str:
    """The first thing that is wrong with a model, in a few words: ``settings.crf: Input should be …``."""
    problem = error.errors(include_url=False)[0]
    message = problem["msg"].removeprefix("Value error, ")  # pydantic's own words around a validator's
    return ": ".join(filter(None, [".".join(map(str, problem["loc"])), message]))

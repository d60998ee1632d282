"""Doing three things at once, in order: read items, work on several of them, hand the results on.

Bounded everywhere: at most `ahead` items wait to be worked on, and at most `workers` + `ahead` results to be taken.
Where results are put away in groups, none is worked out ahead of its group.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_POLL_SECONDS = 0.1
"""How soon a blocked thread notices that the others have stopped."""


class _End:
    """Follows the last item; carries what ended the reading, if that was an error."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def overlap(
    items: Iterable[Item],
    work: Callable[[Item], Result],
    *,
    workers: int,
    ahead: int,
    groups: Iterable[int] = (),
    prepare_worker: Callable[[], None] = lambda: None,
) -> Generator[Result, None, None]:
    """Yields ``work(item)`` for every item, in order, reading in one thread and working in others.

    `groups` says how many items form the first group, the second and so on; what follows them is one more. No item is
    worked on before a result of its group is asked for: whoever has by then put away the results of the groups before
    can lose no more work than one group's. Reading does not wait for that.

    An error of reading or working is raised where its result would have come. Closing the generator stops all threads.
    """
    queue: Queue[Item | _End] = Queue(maxsize=ahead)
    stopped = threading.Event()

    def put(item: Item | _End) -> None:
        while not stopped.is_set():
            with suppress(Full):
                queue.put(item, timeout=_POLL_SECONDS)
                return

    def read() -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 — raised again in the consumer's thread
            put(_End(error))
        else:
            put(_End(None))

    reader = threading.Thread(target=read, name="reader", daemon=True)
    pending: deque[Future[Result]] = deque()
    sizes, left = iter(groups), 0
    with ThreadPoolExecutor(workers, thread_name_prefix="worker", initializer=prepare_worker) as pool:
        reader.start()
        try:
            end: _End | None = None
            while end is None or pending:
                if not pending and not left:
                    left = next(sizes, sys.maxsize)
                while end is None and left and len(pending) < workers + ahead:
                    # Wait for reading only when there is nothing to hand on.
                    try:
                        item = queue.get(timeout=_POLL_SECONDS) if not pending else queue.get_nowait()
                    except Empty:
                        if pending:
                            break
                        continue
                    if isinstance(item, _End):
                        end = item
                    else:
                        pending.append(pool.submit(work, item))
                        left -= 1
                if pending:
                    yield pending.popleft().result()
            if end.error is not None:
                raise end.error
        finally:
            stopped.set()
            for future in pending:
                future.cancel()
            reader.join()

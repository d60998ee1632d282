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
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_POLL_SECONDS = 0.1
"""How soon a blocked thread notices that the others have stopped."""


class _End:
    """Follows the last item; carries what ended the reading, if that was an error."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Reader(Generic[Item]):
    """Reads items in a thread of its own, at most `ahead` of them before they are taken, and sets `news` for each."""

    def __init__(self, items: Iterable[Item], *, ahead: int, news: threading.Event) -> None:
        self._items, self._news = items, news
        self._queue: Queue[Item | _End] = Queue(maxsize=ahead)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, name="reader", daemon=True)
        self._thread.start()

    def take(self) -> Item | _End | None:
        """The next item or what follows the last; None when it is not there yet."""
        with suppress(Empty):
            return self._queue.get_nowait()
        return None

    def stop(self) -> None:
        """Reads nothing more, and returns when the item in hand is through."""
        self._stopped.set()
        self._thread.join()

    def _read(self) -> None:
        end = _End(None)
        try:
            for item in self._items:
                self._put(item)
                if self._stopped.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 — raised again in the consumer's thread
            end = _End(error)
        self._put(end)

    def _put(self, item: Item | _End) -> None:
        while not self._stopped.is_set():
            with suppress(Full):
                self._queue.put(item, timeout=_POLL_SECONDS)
                self._news.set()
                return


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
    pending: deque[Future[Result]] = deque()
    sizes = iter(groups)
    left_in_group = 0
    end: _End | None = None
    news = threading.Event()
    """Set when an item was read or worked on: one that comes while others are worked on joins them at once."""
    with ThreadPoolExecutor(workers, thread_name_prefix="worker", initializer=prepare_worker) as pool:
        reader = _Reader(items, ahead=ahead, news=news)
        try:
            while end is None or pending:
                if not pending and not left_in_group:
                    left_in_group = next(sizes, sys.maxsize)
                news.clear()
                while end is None and left_in_group and len(pending) < workers + ahead:
                    item = reader.take()
                    if item is None:
                        break
                    if isinstance(item, _End):
                        end = item
                    else:
                        pending.append(pool.submit(work, item))
                        pending[-1].add_done_callback(lambda _: news.set())
                        left_in_group -= 1
                if pending and pending[0].done():
                    yield pending.popleft().result()
                elif pending or end is None:
                    news.wait()
            if end.error is not None:
                raise end.error
        finally:
            for future in pending:
                future.cancel()
            reader.stop()

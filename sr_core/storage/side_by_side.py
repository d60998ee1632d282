"""The same done to many things, several at a time. It does not know to what."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def each_in_threads(
    act: Callable[[Item], Result], items: Sequence[Item], *, threads: int, then: Callable[[Result], None]
) -> None:
    """Calls `act` with every item, in order, in so many threads, and `then` with every result, in this one.

    The first error is raised: nothing more is begun then, and what is under way is waited for. After a
    KeyboardInterrupt neither this call nor the end of the process waits for it: whoever presses Ctrl-C means now.
    """
    waiting = deque(items)
    results: SimpleQueue[tuple[Result] | BaseException] = SimpleQueue()
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            try:
                item = waiting.popleft()
            except IndexError:
                return
            try:
                results.put((act(item),))
            except BaseException as error:  # noqa: BLE001 - raised where it was asked for
                ended.set()
                results.put(error)
                return

    workers = [threading.Thread(target=work, daemon=True) for _ in range(min(threads, len(items)))]
    try:
        for worker in workers:
            worker.start()
        for _ in items:
            result = results.get()
            if isinstance(result, BaseException):
                raise result
            then(result[0])
    except KeyboardInterrupt:
        ended.set()
        raise
    except BaseException:
        ended.set()
        for worker in workers:
            worker.join()
        raise
    for worker in workers:
        worker.join()

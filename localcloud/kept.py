"""Keeps what moto finds out anew each time although it cannot change: that takes longer than what it is needed for.

It knows nothing of what is found out.
"""

from collections.abc import Callable, Hashable, Iterator
from typing import Any


def answers(original: Callable[..., Any], _control: object) -> Callable[..., Any]:
    """Asks once for all same arguments, which are hashable; what comes one by one is kept as a tuple."""
    known: dict[tuple[Hashable, ...], Any] = {}

    def answer(*arguments: Hashable) -> Any:
        if arguments not in known:
            found = original(*arguments)
            known[arguments] = tuple(found) if isinstance(found, Iterator) else found
        return known[arguments]

    return answer

"""The limits in force for a source, and the one place where they are read from the environment.

`SR_LIMITS` changes any of them: ``SR_LIMITS="picture_px=200000000 streams=500"`` (docs/limits.md).
Nothing here looks at a file; `open`, `source` and `confinement` hold files and processes to these numbers.
"""

import os
from contextvars import ContextVar

from pydantic import ValidationError

from sr_core.contract import ENV_LIMITS
from sr_core.errors import InputError
from sr_core.media_limits import Limits

_current: ContextVar[Limits | None] = ContextVar("limits", default=None)


def current() -> Limits:
    """The limits in force: those of `enforce`, else the defaults, changed by the environment.

    Raises InputError when that cannot be understood.
    """
    return _current.get() or _from_environment()


def _from_environment() -> Limits:
    try:
        return Limits.parse(os.environ.get(ENV_LIMITS, ""))
    except ValidationError as error:
        problem = error.errors()[0]
        name = ".".join(map(str, problem["loc"]))
        raise InputError(
            f"{ENV_LIMITS}: {name}: {problem['msg']}; known are {', '.join(Limits.model_fields)}"
        ) from error


def enforce(limits: Limits) -> None:
    """Makes `limits` the current ones for the rest of this thread."""
    _current.set(limits)


def over(name: str) -> str:
    """What every refusal ends with: where the limit `name` is raised."""
    return f"raise the limit with {ENV_LIMITS}={name}=… if you trust the file"

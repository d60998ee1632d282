"""What a role may do: its deployed policies, evaluated as IAM does, for the parts of the language that they use.

A statement with an element or a condition that is not known here raises, so that no right is ever assumed.
(IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements: Condition operators".)
"""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Self

Json = dict[str, Any]

_ELEMENTS = {"Sid", "Effect", "Action", "Resource", "Condition"}
_OPERATORS = {"StringEquals", "StringLike"}


class Policy:
    """The statements that hold for a role."""

    def __init__(self, statements: Iterable[Json]) -> None:
        self._statements = list(statements)
        for statement in self._statements:
            unknown = set(statement) - _ELEMENTS | set(statement.get("Condition", {})) - _OPERATORS
            if unknown:
                raise ValueError(f"a policy uses {sorted(unknown)}, which localcloud does not evaluate")

    @classmethod
    def of_documents(cls, documents: Iterable[str]) -> Self:
        """That of a role with these inline policies, as JSON."""
        return cls(statement for document in documents for statement in _as_list(json.loads(document)["Statement"]))

    def allows(self, action: str, resource: str, context: Mapping[str, str] | None = None) -> bool:
        """Whether some statement allows `action` on the ARN `resource`, and none denies it.

        `context` holds the condition keys of the request; a key that it lacks matches no condition.
        """
        effects = {
            statement["Effect"]
            for statement in self._statements
            if _applies(statement, action, resource, context or {})
        }
        return effects == {"Allow"}


def _applies(statement: Json, action: str, resource: str, context: Mapping[str, str]) -> bool:
    return (
        any(_matches(pattern, action, ignore_case=True) for pattern in _as_list(statement["Action"]))
        and any(_matches(pattern, resource) for pattern in _as_list(statement["Resource"]))
        and all(
            key in context
            and any(
                _matches(str(value), context[key], literal=operator == "StringEquals") for value in _as_list(values)
            )
            for operator, conditions in statement.get("Condition", {}).items()
            for key, values in conditions.items()
        )
    )


def _matches(pattern: str, text: str, *, literal: bool = False, ignore_case: bool = False) -> bool:
    """``*`` stands for any characters, ``/`` included, ``?`` for one."""
    if literal:
        return pattern == text
    return _expression(pattern, ignore_case=ignore_case).fullmatch(text) is not None


@cache
def _expression(pattern: str, *, ignore_case: bool) -> re.Pattern[str]:
    expression = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

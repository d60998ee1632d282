"""Small pieces of Amazon States Language (JSONPath), as data.

Owns what every state machine here has in common: tasks on S3, named failures, knowing an input's fields, taking an
address apart. Only functions of strings; no CDK. Everything here is understood by AWS and by moto's interpreter, so
that the very same definition can be walked on one machine.
"""

from collections.abc import Mapping, Sequence
from typing import Any

State = dict[str, Any]
States = dict[str, State]

PARENT_EXECUTION = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"
"""A field of an execution's input by which Step Functions shows which execution started which."""
FAILURE = "$.failure"
"""Where a caught error lies: ``{"Error": …, "Cause": …}``."""

SERVICE_RETRY: State = {
    "ErrorEquals": ["States.TaskFailed"],
    "IntervalSeconds": 2,
    "MaxAttempts": 3,
}
"""For calls that end at once: throttling and outages pass."""


def pass_to(next_state: str, values: State, *, at: str | None = None) -> State:
    """Sets `values` (keys ending in ``.$`` are computed) at the path `at`, or as the whole state."""
    place = {} if at is None else {"ResultPath": at}
    return {"Type": "Pass", "Parameters": values, **place, "Next": next_state}


def choice(*rules: State, otherwise: str) -> State:
    """A Choice over `rules`, each with its own Next."""
    return {"Type": "Choice", "Choices": list(rules), "Default": otherwise}


def sdk_task(action: str, parameters: State, *, next_state: str, on_error: str, **fields: Any) -> State:
    """A call of an AWS API that ends at once. `action` is ``service:operation``; any error leads to `on_error`."""
    return {
        "Type": "Task",
        "Resource": f"arn:aws:states:::aws-sdk:{action}",
        "Parameters": parameters,
        "Retry": [SERVICE_RETRY],
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": FAILURE, "Next": on_error}],
        **fields,
        "Next": next_state,
    }


def named_failure(error: str, *, cause: State, next_state: str) -> State:
    """Gives what went wrong a name. `cause` is ``{"Cause": text}`` or ``{"Cause.$": path}``."""
    return pass_to(next_state, {"Error": error, **cause}, at=FAILURE)


def fail() -> State:
    """Ends the execution with the name and the cause that `named_failure` or a Catch left."""
    return {"Type": "Fail", "ErrorPath": f"{FAILURE}.Error", "CausePath": f"{FAILURE}.Cause"}


def starts_with_any(variable: str, prefixes: Sequence[str], *, next_state: str) -> State:
    """A Choice rule: the string at `variable` starts with one of `prefixes`."""
    tests = [{"Variable": variable, "StringMatches": f"{prefix}*"} for prefix in prefixes]
    return {"Or": tests, "Next": next_state} if len(tests) > 1 else tests[0] | {"Next": next_state}


def only_fields(known: Mapping[str, object], *, next_state: str, on_other: str) -> States:
    """Takes an input, an object, for what it is: the fields in `known`, with those defaults, and no other.

    From `Start` on; ``$.request`` is the input then, completed, and nothing else is left of the state. Another field,
    or one that is no boolean where the default is one, leads to `on_other`: passed over, a misspelt or misplaced
    setting would cost a whole film, or a thousand. The language does not list names; but what was merged into all
    fields that are known has as many values as these, unless one is unknown.
    """
    defaults = {**known, PARENT_EXECUTION: ""}
    return {
        "Start": pass_to("Defaults", {"given.$": "$", "defaults": defaults}),
        "Defaults": pass_to("Fields", {"request.$": "States.JsonMerge($.defaults, $.given, false)"}),
        "Fields": pass_to("FieldsKnown", {"values.$": "$.request.*"}, at="$.fields"),
        "FieldsKnown": choice(
            {"Variable": f"$.fields.values[{len(defaults)}]", "IsPresent": True, "Next": on_other},
            *(
                {"Not": {"Variable": f"$.request.{name}", "IsBoolean": True}, "Next": on_other}
                for name, default in known.items()
                if isinstance(default, bool)
            ),
            otherwise=next_state,
        ),
    }


def split_address(variable: str, *, at: str, name: str, next_state: str, on_error: str) -> States:
    """Takes ``s3://bucket/key`` at `variable` apart into ``{bucket, key}`` at the path `at`.

    The language has neither a substring nor a join, so the key is put together part by part: one turn of the loop for
    each slash. Empty parts (``a//b``) are lost; such a key is then not found.
    """
    split, has_key, first, more, append = (
        f"{name}Split",
        f"{name}HasKey",
        f"{name}Bucket",
        f"{name}MoreParts",
        f"{name}Append",
    )
    parts = f"States.StringSplit({variable}, '/')"
    return {
        split: pass_to(has_key, {"parts.$": parts, "count.$": f"States.ArrayLength({parts})"}, at=at),
        has_key: choice(
            {"Variable": f"{at}.count", "NumericGreaterThanEquals": 3, "Next": first},
            otherwise=on_error,
        ),
        first: pass_to(
            more,
            {
                "parts.$": f"{at}.parts",
                "count.$": f"{at}.count",
                "bucket.$": f"States.ArrayGetItem({at}.parts, 1)",
                "key.$": f"States.ArrayGetItem({at}.parts, 2)",
                "next": 3,
            },
            at=at,
        ),
        more: choice(
            {"Variable": f"{at}.next", "NumericLessThanPath": f"{at}.count", "Next": append},
            otherwise=next_state,
        ),
        append: pass_to(
            more,
            {
                "parts.$": f"{at}.parts",
                "count.$": f"{at}.count",
                "bucket.$": f"{at}.bucket",
                "key.$": f"States.Format('{{}}/{{}}', {at}.key, States.ArrayGetItem({at}.parts, {at}.next))",
                "next.$": f"States.MathAdd({at}.next, 1)",
            },
            at=at,
        ),
    }

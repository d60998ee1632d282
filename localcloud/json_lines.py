"""A Distributed Map's items from JSON Lines (jsonlines.org): UTF-8, a JSON value on each line.

moto reads JSON and CSV. What cannot be read ends the reading, and with it the map, by name; no line is passed over.
How AWS words it, and whether it passes over a blank line, only an account can tell: here a blank line is no JSON value.
"""

import json
from collections.abc import Callable
from enum import Enum
from typing import Any

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.eval.resource_output_transformer import (
    transformer,
)

from localcloud.control import Control
from localcloud.map_run import map_failure

Json = dict[str, Any]


class JsonLinesError(ValueError):
    """A line that is no JSON value. One sentence: which, and why."""


class InputTypeValue(Enum):
    """What moto's enumeration of dataset types lacks."""

    JSON_LINES = "JSONL"


def read(text: str) -> list[Any]:
    """The values of a document's lines; the last line break may be missing. Raises JsonLinesError."""
    values = []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        try:
            values.append(json.loads(line))
        except ValueError as error:
            reason = "is blank" if not line.strip() else f"is not JSON: {error}"
            raise JsonLinesError(f"line {number} {reason}") from error
    return values


def known_type(original: Callable[..., None], _control: Control) -> Callable[..., None]:
    """The type JSONL beside those that moto knows."""

    def of_name(self: Any, input_type: str) -> None:
        if input_type == InputTypeValue.JSON_LINES.value:
            self.input_type_value = InputTypeValue.JSON_LINES
        else:
            original(self, input_type)

    return of_name


def reader_of(original: Callable[..., Any], _control: Control) -> Callable[..., Any]:
    """What makes items of a dataset of a type."""

    def reader(input_type: Any) -> Any:
        if input_type.input_type_value is InputTypeValue.JSON_LINES:
            return _JsonLines()
        return original(input_type)

    return reader


class _JsonLines(transformer.ResourceOutputTransformer):
    def _eval_body(self, env: Any) -> None:
        config: Json = env.stack.pop()
        text: str = env.stack.pop()
        try:
            env.stack.append(read(text)[: config["MaxItemsValue"]])
        except JsonLinesError as error:
            raise _failure(env, str(error)) from error


def named_failure(original: Callable[..., None], _control: Control) -> Callable[..., None]:
    """Reading the items, with an error of S3 as one that a state can catch."""

    def evaluate(self: Any, env: Any) -> None:
        try:
            original(self, env)
        except ClientError as error:
            raise _failure(env, str(error)) from error

    return evaluate


def _failure(env: Any, cause: str) -> FailureEventException:
    """States.ItemReaderFailed (Step Functions Developer Guide, "Error names")."""
    return map_failure(env, StatesErrorNameType.StatesItemReaderFailed, cause)

"""What stands between a state's words and the SDK's: names in calls and answers, as Step Functions translates them.

Each function makes what `gaps` puts in the place of a method of moto's tasks.
"""

import uuid
from typing import Any

from botocore.session import get_session

from localcloud.control import Control

Json = dict[str, Any]


def parameters(_original: Any, _control: Control) -> Any:
    """A call with boto3's names, its documents as text."""

    def normalise(
        self: Any, parameters: Json, boto_service_name: str | None = None, service_action_name: str | None = None
    ) -> None:
        shape = _operation(self, boto_service_name, service_action_name).input_shape
        if shape is not None:
            self._to_boto_request(parameters, shape)

    return normalise


def named_execution(original: Any, _control: Control) -> Any:
    """An execution that is started gets a name."""

    def normalise(self: Any, parameters: Json, *service: Any, **more: Any) -> None:
        original(self, parameters, *service, **more)
        if self._get_boto_service_action() == "start_execution":
            parameters.setdefault("name", str(uuid.uuid4()))

    return normalise


def answer(_original: Any, _control: Control) -> Any:
    """An answer with Step Functions' names, its body as text."""

    def normalise(
        self: Any, response: Any, boto_service_name: str | None = None, service_action_name: str | None = None
    ) -> None:
        shape = _operation(self, boto_service_name, service_action_name).output_shape
        if shape is not None:
            self._from_boto_response(response, shape)

    return normalise


_SESSION = get_session()


def _operation(task: Any, service: str | None, action: str | None) -> Any:
    model = _SESSION.get_service_model(task._get_boto_service_name(service))
    wanted = task._get_boto_service_action(action).replace("_", "")
    return model.operation_model(next(name for name in model.operation_names if name.lower() == wanted))

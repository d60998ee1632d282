"""SDK clients that tasks share: to make one takes longer than most tasks."""

import threading
from types import SimpleNamespace
from typing import Any, cast

import boto3

from localcloud.control import Control


def kept(_original: Any, _control: Control) -> Any:
    """What `gaps` puts in the place of the SDK where tasks get their clients from: one for each service and region."""
    clients: dict[tuple[str, str], Any] = {}
    lock = threading.Lock()

    def client(*, service_name: str, region_name: str, **options: Any) -> Any:
        with lock:
            found = clients.get((service_name, region_name))
            if found is None:
                found = clients[service_name, region_name] = boto3.client(
                    cast(Any, service_name), region_name=region_name, **options
                )
            return found

    return SimpleNamespace(client=client)

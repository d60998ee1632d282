"""How the SDK is set up: whatever the service, the same attempts, timeouts and name. It knows no service."""

import os
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.loaders import Loader, create_loader
from botocore.session import get_session

from sr_core import __version__

_ATTEMPTS = 8
"""Of each request, by the SDK: with its standard back-off, about half a minute of a failing service."""


def new_session() -> boto3.session.Session:
    """Its own, from the environment: boto3's default one must not be shared by threads.

    AWS_REGION counts, as for AWS's other tools and SDKs; boto3 itself reads AWS_DEFAULT_REGION and the profile alone.
    """
    session = get_session()
    session.register_component("data_loader", _descriptions())
    return boto3.session.Session(botocore_session=session, region_name=os.environ.get("AWS_REGION") or None)


def configured(**more: Any) -> Config:
    """What every client is set to, and `more` in the SDK's words."""
    return Config(
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        connect_timeout=10,
        read_timeout=60,
        tcp_keepalive=True,
        user_agent_extra=f"sr_core/{__version__}",
        **more,
    )


@cache
def _descriptions() -> Loader:
    """What the SDK knows about services. To read it takes nearly all the time that a client takes: once is enough."""
    return create_loader()

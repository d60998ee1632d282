"""The Spot notice: two minutes before EC2 takes a machine back, its metadata service says so. This asks it.

Owns what the notice says (Amazon EC2 User Guide, "Spot Instance interruption notices") and how often it is asked for.
It does not know what is stopped then.
"""

import json
import threading
from dataclasses import dataclass
from datetime import UTC, datetime

from sr_core.interruption import PUT_AWAY_SECONDS, Interruption
from sr_core.metadata_service import MetadataService

POLL_SECONDS = 5.0
"""As the user guide recommends."""

_NOTICE_PATH = "/latest/meta-data/spot/instance-action"
_UNREADABLE_NOTICE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotNotice:
    """That the machine is being taken back."""

    action: str
    """``terminate``, ``stop`` or ``hibernate``."""
    seconds_left: float
    """Until that happens."""


def spot_notice(service: MetadataService) -> SpotNotice | None:
    """The notice, or None if there is none or the service does not answer."""
    content = service.read(_NOTICE_PATH)
    return None if content is None else _read_notice(content)


def watch_for_notice(service: MetadataService, interruption: Interruption, ended: threading.Event) -> None:
    """Asks until there is a notice, and then for an interruption with the time that it leaves, or until `ended`."""
    while not ended.is_set():
        notice = spot_notice(service)
        if notice is not None:
            reason = f"the Spot notice ({notice.action} in {max(0.0, notice.seconds_left):.0f} s)"
            interruption.request(reason, grace_seconds=notice.seconds_left - PUT_AWAY_SECONDS)
            return
        ended.wait(POLL_SECONDS)


def _read_notice(content: bytes) -> SpotNotice:
    """``{"action": "terminate", "time": "2026-11-24T08:22:00Z"}``; a notice that cannot be read is still one."""
    try:
        notice = json.loads(content)
        at = datetime.fromisoformat(notice["time"])
        seconds_left = (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
        return SpotNotice(action=str(notice["action"]), seconds_left=seconds_left)
    except (ValueError, LookupError, TypeError):
        return SpotNotice(action="unreadable", seconds_left=_UNREADABLE_NOTICE_SECONDS)

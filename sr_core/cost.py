"""What a job used of which machines, and what that would cost by a list of prices: the models.

Owns what is told; `metered` makes it. It knows neither prices nor where a machine's name comes from.
"""

from typing import Literal

from sr_core.contract import Stage
from sr_core.frozen import Model

Market = Literal["spot", "on-demand"]
"""How a machine is bought, in EC2's words."""


class Machine(Model):
    """A kind of machine, as it is billed. Nothing is known of one at hand, or where EC2 does not tell."""

    instance_type: str | None = None
    market: Market | None = None

    def __str__(self) -> str:
        """``g4dn.xlarge (spot)``"""
        if self.instance_type is None:
            return "machines of an unknown type"
        return f"{self.instance_type} ({self.market or 'spot or on-demand, it is not known which'})"


class Used(Model):
    """Machine time of one stage, on machines of one kind."""

    stage: Stage
    instance_type: str | None
    market: Market | None
    seconds: float
    """Of all units of work together; see `Cost.not_counted`."""
    usd: float | None
    """`seconds` at the listed price of the part of the machine that the job asks for; None where none is listed."""


class Cost(Model):
    """What a job used, and what that comes to by listed prices. Computed; what it did cost, only the bill knows."""

    used: tuple[Used, ...]
    usd: float | None
    """What has a price in `used`, added up; None where nothing has."""
    prices: str | None
    """Which prices, and of when; None where none was taken."""
    not_counted: tuple[str, ...]
    """What `usd` leaves out; empty for machines at hand."""

"""What a job cost, in a line for people, and how amounts of hours and dollars are written."""

from sr_core.types import Report


def amount(value: float) -> str:
    """``1234.5``, ``12.34``, ``0.012``, ``<0.0001``"""
    if 0 < value < 0.0001:
        return "<0.0001"
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def cost_line(report: Report) -> str | None:
    """``0.012 $ by listed prices: upscale, 208 s on g4dn.xlarge (spot); …``; None where there is no price."""
    cost = report.cost
    if cost is None or cost.usd is None:
        return None
    machines = ", ".join(
        f"{each.stage}, {each.seconds:.0f} s on {each.instance_type} ({each.market})"
        for each in cost.used
        if each.usd is not None
    )
    return f"{amount(cost.usd)} $ by listed prices: {machines}; not the bill, report.json says what it leaves out"

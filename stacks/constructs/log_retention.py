"""How long logs are kept: days, as a config says them, and what CDK calls them."""

import aws_cdk.aws_logs as logs

_DAYS = logs.RetentionDays
RETENTION: dict[int, logs.RetentionDays] = {
    1: _DAYS.ONE_DAY,
    3: _DAYS.THREE_DAYS,
    5: _DAYS.FIVE_DAYS,
    7: _DAYS.ONE_WEEK,
    14: _DAYS.TWO_WEEKS,
    30: _DAYS.ONE_MONTH,
    60: _DAYS.TWO_MONTHS,
    90: _DAYS.THREE_MONTHS,
    180: _DAYS.SIX_MONTHS,
    365: _DAYS.ONE_YEAR,
    731: _DAYS.TWO_YEARS,
    1827: _DAYS.FIVE_YEARS,
}
"""CDK's names for a log group's retention in days."""

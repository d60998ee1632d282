"""Imported by the fork server alone: its commands share one nursery, which is as ready as they are."""

from sr_core.video import nursery

nursery.start()

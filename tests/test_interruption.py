"""Being asked to stop: at once, or after the work in hand if there is time for it."""

import pytest

from sr_core.errors import Interrupted
from sr_core.interruption import Interruption


def test_nothing_stops_before_it_is_asked() -> None:
    Interruption().check()


def test_what_fits_into_the_grace_is_finished_and_nothing_else() -> None:
    interruption = Interruption()
    interruption.request("SIGTERM", grace_seconds=60)

    interruption.check(needed_seconds=1)
    with pytest.raises(Interrupted, match="stopped by SIGTERM; what is finished is kept"):
        interruption.check(needed_seconds=600)
    with pytest.raises(Interrupted):
        interruption.check()


def test_a_second_request_only_shortens_the_time() -> None:
    interruption = Interruption()
    interruption.request("SIGTERM", grace_seconds=60)
    interruption.request("Ctrl-C", grace_seconds=0)
    interruption.request("SIGTERM", grace_seconds=600)

    with pytest.raises(Interrupted, match="SIGTERM"):
        interruption.check(needed_seconds=1)

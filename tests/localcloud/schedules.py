"""A hundred ways in which a video can go wrong: every crash point, and faults drawn by chance from a seed.

A crash point is a write to S3: the machine is gone just before S3 has it, or just after, before the job hears of it.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from sr_core.contract import Stage

RANDOM_COUNT = 48

_WRITES = {
    Stage.EXTRACT: 10,  # upload to the output begun, aborted; timestamps, plan; chunk and receipt, twice; route, chunks
    Stage.UPSCALE: 4,  # segment and receipt, twice
    Stage.ENCODE: 4,
    Stage.ASSEMBLE: 2,  # report, output
}
_CHUNKED = (Stage.UPSCALE, Stage.ENCODE)
_KINDS = {
    "vanish": 6,
    "reclaim": 5,
    "notice": 1,
    "oom": 2,
    "hang": 1,
    "no-capacity": 2,
    "exit=69": 1,
    "exit=71": 1,
    "exit=74": 2,
    "exit=75": 2,
    "exit=64": 1,
    "exit=1": 1,
    "disk-full=8000": 1,  # more than a chunk of the clip has, less than a segment
    "throttle": 2,
    "cause=Service unavailable": 1,
    "cut-cause=80": 1,
    "s3-503": 2,
    "s3-cut": 2,
}
"""How often each is drawn, relative to the others."""
_AT_A_MOMENT = ("vanish", "reclaim", "notice", "oom", "hang")
_MANY = ("s3-503", "s3-cut")


@dataclass(frozen=True)
class Schedule:
    """What goes wrong with one video."""

    name: str
    faults: tuple[str, ...]
    mezzanine: bool = False


def crash_points() -> Iterator[Schedule]:
    """Each write of each stage, from both sides; chunk 0 and chunk 1 take turns."""
    for stage, writes in _WRITES.items():
        for write in range(writes):
            for side in ("before", "after"):
                chunk = f"/{write % 2}" if stage in _CHUNKED else ""
                fault = f"vanish:{stage}{chunk}@{side}-{write}"
                yield Schedule(fault, (fault,), mezzanine=stage == Stage.ENCODE)


def both_chunks() -> Iterator[Schedule]:
    """The writes of upscale once more, the machines of both chunks going, the second after its first job is back."""
    for write in range(_WRITES[Stage.UPSCALE]):
        for kind in ("vanish", "reclaim", "oom"):
            fault = f"{kind}:upscale:2@before-{write}"
            yield Schedule(fault, (fault,))


def by_chance(seed: int) -> Schedule:
    """One to three faults."""
    draw = random.Random(seed)
    mezzanine = draw.random() < 0.25
    stages = [stage for stage in Stage if mezzanine or stage != Stage.ENCODE]
    faults = tuple(_fault(draw, stages) for _ in range(draw.choice((1, 1, 2, 2, 3))))
    return Schedule(f"seed {seed}: {' '.join(faults)}", faults, mezzanine)


def _fault(draw: random.Random, stages: list[Stage]) -> str:
    kind = draw.choices(list(_KINDS), weights=list(_KINDS.values()))[0]
    stage = draw.choice(stages)
    chunk = f"/{draw.randrange(2)}" if stage in _CHUNKED and draw.random() < 0.5 else ""
    times = draw.randrange(1, 7) if kind in _MANY else draw.choice((1, 1, 2, 3, 4))
    moment = ""
    if kind in _AT_A_MOMENT:
        at_write = draw.random() < 0.5
        side = draw.choice(("before", "after"))
        moment = f"@{side}-{draw.randrange(_WRITES[stage])}" if at_write else f"@{draw.uniform(0, 0.8):.2f}s"
    return f"{kind}:{stage}{chunk}:{times}{moment}"


SCHEDULES = [*crash_points(), *both_chunks(), *(by_chance(seed) for seed in range(RANDOM_COUNT))]

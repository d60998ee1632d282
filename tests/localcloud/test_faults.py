"""The words in which faults are asked for, and how often each comes."""

import pytest

from localcloud.faults import Fault, FaultError, FaultPlan, Kind, Moment, Target
from sr_core.contract import Stage


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("reclaim:upscale:2", Fault(kind=Kind.RECLAIM, stage=Stage.UPSCALE, times=2)),
        (
            "vanish:extract@before-2",
            Fault(kind=Kind.VANISH, stage=Stage.EXTRACT, moment=Moment(side="before", write=2)),
        ),
        (
            "oom:encode/7@1.5s",
            Fault(kind=Kind.OOM, stage=Stage.ENCODE, chunk=7, moment=Moment(write=None, seconds=1.5)),
        ),
        ("exit=69:upscale/1", Fault(kind=Kind.EXIT, stage=Stage.UPSCALE, chunk=1, value="69")),
        ("cause=no reason:assemble", Fault(kind=Kind.CAUSE, stage=Stage.ASSEMBLE, value="no reason")),
    ],
)
def test_a_fault_is_what_its_words_say(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("reclaim", "write KIND"),
        ("lightning:upscale", "kinds are reclaim"),
        ("reclaim:render", "stages are extract"),
        ("exit=often:upscale", "exit takes a number"),
        ("throttle:upscale@before-1", "happen at a moment"),
        ("vanish:upscale@noon", "is not a moment"),
    ],
)
def test_what_cannot_be_understood_is_said_in_one_line(text: str, told: str) -> None:
    with pytest.raises(FaultError, match=told) as error:
        Fault.parse(text)
    assert "\n" not in str(error.value)


def test_a_fault_comes_as_often_as_it_says_to_whom_it_is_meant_for() -> None:
    plan = FaultPlan([Fault.parse("vanish:upscale/1:2"), Fault.parse("oom:upscale")])
    zero, one = (Target(stage=Stage.UPSCALE, chunk=chunk) for chunk in (0, 1))

    taken = [plan.take(target, Kind.VANISH, Kind.OOM) for target in (zero, one, one, one)]

    assert [fault and fault.kind for fault in taken] == [Kind.OOM, Kind.VANISH, Kind.VANISH, None]
    assert plan.take(Target(stage=Stage.EXTRACT, chunk=None), Kind.VANISH) is None
    assert [target.chunk for _, target in plan.befallen] == [0, 1, 1]


def test_a_job_is_known_by_its_command() -> None:
    assert Target.of_command(["upscale", "--job", "s3://work/jobs/1", "--chunk", "7"]) == Target(
        stage=Stage.UPSCALE, chunk=7
    )
    assert Target.of_command(["extract", "--job", "s3://work/jobs/1"]) == Target(stage=Stage.EXTRACT, chunk=None)

"""A small share of `make fuzz`: files spoilt at random end in a result or in one line, and in nothing else."""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import pytest

from sr_core.contract import ExitCode
from sr_core.delivery import lossless_encoding
from sr_core.video.write import SegmentWriter
from tests import builders
from tests.pipeline.commands import Ended, serving
from tests.pipeline.network import make_network
from tests.pipeline.script import Journal

from .fuzz import GOOD, REFUSED, WARNED, WHOLE, Case, cases, judge, run, table
from .mutation import MUTATIONS, mutate
from .samples import made_samples

COUNT = 14
"""One of each sample."""


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return list(made_samples(tmp_path_factory.mktemp("samples")))


@pytest.fixture(scope="module")
def commands() -> Iterator[None]:
    with serving():
        yield


@pytest.mark.slow
def test_spoilt_files_end_in_a_result_or_in_one_line(samples: list[Path], commands: None, tmp_path: Path) -> None:
    network = make_network(tmp_path / "tiny.safetensors")

    ended = {case.name: run(case, tmp_path / "run", network) for case in islice(cases(samples, seed=0), COUNT)}

    assert {name: verdict for name, verdict in ended.items() if verdict[0] not in GOOD} == {}
    assert len({verdict for verdict, _ in ended.values()}) > 1  # they do harm, but not to all


def test_whole_samples_are_whole(samples: list[Path]) -> None:
    """Else it would not be the mutations that are tested."""
    assert len(samples) == COUNT
    assert len({sample.suffix for sample in samples}) >= 10


@pytest.mark.parametrize("kind", MUTATIONS)
def test_a_mutation_is_the_same_for_the_same_seed_and_another_for_another(kind: str) -> None:
    data = bytes(range(256)) * 40

    spoilt = [mutate(data, kind, seed=seed) for seed in (1, 1, 2)]

    assert spoilt[0] == spoilt[1] != data
    assert spoilt[2] not in (data, spoilt[0])


LINE = "sr: spoilt.mp4 is damaged; try another copy\n"


@pytest.mark.parametrize(
    ("code", "stderr", "written", "verdict"),
    [
        (ExitCode.INPUT, LINE, False, REFUSED),
        (ExitCode.INPUT, LINE, True, "REFUSED, BUT WRITTEN"),
        (ExitCode.INPUT, LINE * 2, False, "REFUSED IN OTHER WORDS"),
        (ExitCode.INPUT, "Traceback\n", False, "REFUSED IN OTHER WORDS"),
        (ExitCode.INTERNAL, LINE, False, "EXIT 1"),
        (-11, "", False, "EXIT -11"),
        (ExitCode.OK, "", True, "SUCCESS WITHOUT A PICTURE"),
        (ExitCode.OK, "", False, "SUCCESS WITHOUT A PICTURE"),
    ],
)
def test_what_is_not_right_is_told(code: int, stderr: str, written: bool, verdict: str, tmp_path: Path) -> None:
    """The judge itself: else nothing that it lets pass would mean anything."""
    if written:
        (tmp_path / "out.mkv").write_bytes(b"half")

    assert judge(Ended(code, "", stderr, Journal((), 0)), tmp_path)[0] == verdict


def test_every_verdict_has_its_place_in_the_table(tmp_path: Path) -> None:
    text = table({"cut off": Counter({WHOLE: 2, "EXIT 1": 1}), "flip many": Counter({WARNED: 3})})

    assert "EXIT 1" in text.splitlines()[0]
    assert text.splitlines()[-1].split() == ["all", "2", "3", "0", "1"]
    assert Case(sample=tmp_path / "a.mp4", mutation="cut off", seed=3).name == "cut off 3 of a.mp4"


def test_a_rate_that_no_container_can_count_keeps_the_order(tmp_path: Path) -> None:
    """The carriers between stages count milliseconds; a damaged header can say that there are twelve frames in each."""
    path = tmp_path / "segment.mkv"
    encoding = lossless_encoding("yuv420p")
    with SegmentWriter(path, encoding, width_px=64, height_px=48, rate=Fraction(12000), color=None) as writer:
        for _ in range(8):
            writer.write(builders.grey(64, 48))

    with av.open(str(path)) as container:
        times = [packet.pts for packet in container.demux(video=0) if packet.size]

    assert len(set(times)) == 8

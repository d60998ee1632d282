"""Runs `sr run` on hundreds of spoilt files and tells how each ended: ``python -m tests.hostile.fuzz [--count N]``.

Every container and the usual codecs, in clips made here and, where the reference media are, in the first frames of each
of those; every kind of mutation in turn, from a seed. Each file goes through a real `sr run`, a process of its own,
with a tiny network. It may end in two ways only: with a result that can be played, or with exit code 64, one line,
and no output.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av

from sr_core.contract import ENV_LIMITS, ExitCode
from tests.pipeline.commands import Commands, Ended, serving
from tests.pipeline.network import make_network

from .mutation import MUTATIONS, mutate
from .samples import made_samples, reference_samples

LIMITS = "silence_seconds=20"
_LIMIT_SECONDS = 60.0
"""After which a run is called hung: it is three times what one may be silent for."""
WHOLE, WARNED, REFUSED = "success, nothing noticed", "success, with a warning", "one line, exit 64"
GOOD = (WHOLE, WARNED, REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A spoilt file; its seed makes it again."""

    sample: Path
    mutation: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.mutation} {self.seed} of {self.sample.name}"

    def write(self, path: Path) -> None:
        path.write_bytes(mutate(self.sample.read_bytes(), self.mutation, seed=self.seed))


def cases(samples: Sequence[Path], *, seed: int) -> Iterator[Case]:
    """Without end: sample by sample, mutation by mutation, with a new seed each round."""
    number = 0
    while True:
        for sample in samples:
            mutation = list(MUTATIONS)[number % len(MUTATIONS)]
            yield Case(sample=sample, mutation=mutation, seed=seed + number)
            number += 1


def run(case: Case, folder: Path, network: Path) -> tuple[str, str]:
    """Runs `sr run` on the case in `folder`, which is emptied. Returns the verdict and what was said."""
    shutil.rmtree(folder, ignore_errors=True)
    here = folder / "here"
    here.mkdir(parents=True)
    source = folder / f"spoilt{case.sample.suffix}"
    case.write(source)
    sr = Commands(here, folder / "notes")
    command = sr.start(
        *("run", source, "-o", "out.mkv", "--model", network, "--preset", "ultrafast"),
        environment={ENV_LIMITS: LIMITS},
    )
    started = time.monotonic()
    while command.process.is_alive():
        if time.monotonic() - started > _LIMIT_SECONDS:
            sr.end()
            return "HANGS", ""
        command.process.join(1)
    return judge(command.wait(), here)


def judge(ended: Ended, folder: Path) -> tuple[str, str]:
    """The verdict on how a command ended, and its last line."""
    output = folder / "out.mkv"
    last = ended.stderr.splitlines()[-1] if ended.stderr else ""
    if ended.code == ExitCode.INPUT:
        if ended.stderr.count("\n") != 1 or not ended.stderr.startswith("sr: ") or ";" not in last:
            return "REFUSED IN OTHER WORDS", ended.stderr
        return (REFUSED, last) if not output.exists() else ("REFUSED, BUT WRITTEN", last)
    if ended.code != ExitCode.OK:
        return f"EXIT {ended.code}", ended.stderr
    if not frame_count(output):
        return "SUCCESS WITHOUT A PICTURE", last
    return (WARNED if "sr: warning: " in ended.stderr else WHOLE), last


def frame_count(path: Path) -> int:
    count = 0
    with suppress(av.FFmpegError, OSError), av.open(str(path)) as container:
        for _ in container.decode(video=0):
            count += 1
    return count


@contextmanager
def workshop() -> Iterator[Path]:
    """A folder, and a server that commands are forks of."""
    with tempfile.TemporaryDirectory(prefix="sr-fuzz-") as name, serving():
        yield Path(name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; returns 1 when a run ended in another way."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=500, metavar="N", help="how many files (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the first (%(default)s)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where files that end otherwise are kept")
    options = parser.parse_args(arguments)
    verdicts: dict[str, Counter[str]] = {mutation: Counter() for mutation in MUTATIONS}
    bad = []
    started = time.monotonic()
    with workshop() as folder:
        samples = [*made_samples(_made(folder / "made")), *reference_samples(_made(folder / "reference"))]
        network = make_network(folder / "tiny.safetensors")
        for number, case in enumerate(islice(cases(samples, seed=options.seed), options.count)):
            verdict, line = run(case, folder / "run", network)
            verdicts[case.mutation][verdict] += 1
            if verdict not in GOOD:
                bad.append(case)
                print(f"{verdict}: {case.name}: {line}", flush=True)
                if options.keep:
                    case.write(_made(options.keep) / f"{case.name.replace(' ', '-')}")
            if sys.stderr.isatty():
                print(f"\r{number + 1} of {options.count}", end="", file=sys.stderr, flush=True)
    print(table(verdicts))
    seconds = time.monotonic() - started
    counts = f"{options.count} files from {len(samples)} clips, from seed {options.seed}, in {seconds:.0f} s"
    print(f"{counts}: {len(bad)} ended otherwise")
    return 1 if bad else 0


def table(verdicts: dict[str, Counter[str]]) -> str:
    """A row for each mutation, a column for each verdict that is good or was found."""
    found = {verdict for counts in verdicts.values() for verdict in counts}
    columns = [*GOOD, *sorted(found - set(GOOD))]
    rows = [["", *columns]]
    rows += [[mutation, *(str(counts[column]) for column in columns)] for mutation, counts in verdicts.items()]
    rows.append(["all", *(str(sum(counts[column] for counts in verdicts.values())) for column in columns)])
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))]
    return "\n".join("  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())

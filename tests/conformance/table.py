"""The outcomes as a page for people."""

from collections.abc import Sequence

from .run import Outcome

_HEAD = """# What comes out of what

`make conformance` makes this page: every clip is upscaled by the command itself, with a network that repeats pixels,
and source and result are compared by a checker that shares no code with the pipeline (`tests/conformance`). It decodes
both and looks at: the number of frames and each one's time (exact; in Matroska and WebM to the half millisecond), each
picture (which also tells its orientation), size, sample aspect ratio, subsampling and depth, matrix, range, primaries,
transfer, HDR10 metadata, every stream with its codec, language, title and dispositions, the bytes and times of every
packet that is carried, chapters, attachments, timecode, tags, and the warnings: none may be missing and none may be
there unannounced.

"""


def table(outcomes: Sequence[Outcome]) -> str:
    """Markdown, grouped by trait in the order of the cases."""
    failed = [outcome for outcome in outcomes if outcome.failures]
    checks = sum(len(outcome.findings) for outcome in outcomes)
    lines = [f"**{len(outcomes)} cases, {checks} checks, {len(failed)} failures.**", ""]
    trait = None
    for outcome in outcomes:
        case = outcome.case
        if case.trait != trait:
            trait = case.trait
            lines += [
                "",
                f"## {trait[0].upper()}{trait[1:]}",
                "",
                "| source | result | checks | said |",
                "|---|---|---|---|",
            ]
        target = f"{case.codec} {case.suffix}" + (f" `{' '.join(case.options)}`" if case.options else "")
        if isinstance(case.expected, str):
            target = f"{target}: refused"
        count = f"{len(outcome.findings)} hold" if not outcome.failures else f"**{len(outcome.failures)} fail**"
        lines.append(f"| {case.name} | {target} | {count} | {_said(outcome)} |")
    return _HEAD + "\n".join(lines) + "\n"


def _said(outcome: Outcome) -> str:
    """Without the names of temporary files."""
    text = " ".join(word.rpartition("/")[2] if word.startswith("/") else word for word in outcome.said.split())
    return text.removeprefix("sr: ").replace("|", "\\|")

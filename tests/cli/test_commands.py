"""What a person sees: help that reads well, errors in one line, JSON for machines."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sr_core.cli.main import main
from sr_core.contract import ENV_SCRATCH, ExitCode, Stage
from sr_core.models.catalogue import shipped
from tests.clips import make_clip

COMMANDS = [
    "run",
    "probe",
    "submit",
    *(stage.value for stage in Stage),
    "status",
    "compare",
    "serve",
    "models",
    "doctor",
]


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and standard error of a command that must fail."""
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])

    text = capsys.readouterr().out
    assert stop.value.code == 0
    assert text.startswith(f"usage: sr {command}")
    assert "exit codes" in text


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])

    text = capsys.readouterr().out
    assert all(f"\n    {command} " in text for command in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "COMMAND"),
        (["frobnicate"], "frobnicate"),
        (["run"], "INPUT"),
        (["run", "in.mp4", "-o", "out.mp4", "--codec", "divx"], "divx"),
        (["run", "in.mp4", "-o", "out.mp4", "--crf", "many"], "many"),
        (["run", "in.mp4", "-o", "out.mp4", "--chunk-segments", "few"], "'few' is not a number"),
        (["run", "in.mp4", "-oout.mp4", "--frobnicate"], "--frobnicate; see `sr run --help`"),
        (["models", "pull", "compact", "--frobnicate"], "--frobnicate; see `sr models pull --help`"),
        (["--frobnicate", "doctor"], "--frobnicate"),
        (["run", "one.mp4", "two.mp4", "-o", "out.mp4"], "two.mp4"),
        (["upscale", "--job", "somewhere"], "--chunk"),
    ],
)
def test_wrong_usage_is_one_line_that_names_what_is_wrong(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = refused(arguments, capsys)

    assert code == ExitCode.INPUT
    assert text.count("\n") == 1
    assert named in text
    assert "--help" in text


def test_a_second_input_is_refused_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    _, text = refused(["run", "one.mp4", "two.mp4", "-o", "out.mp4"], capsys)

    assert "once for each of several files" in text


@pytest.mark.parametrize(
    "arguments",
    [["run", "-clip.mp4", "-o", "out.mp4"], ["run", "in.mp4", "-o", "-clip.mp4"], ["probe", "-clip.mp4"]],
    ids=" ".join,
)
def test_a_name_that_looks_like_an_option_is_told_how_to_be_written(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = refused(arguments, capsys)

    assert (code, text) == (
        ExitCode.INPUT,
        "sr: -clip.mp4 is taken for an option; if it is a file, write ./-clip.mp4\n",
    )


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [("--crf", "99", "--crf:"), ("--preset", "warp", "--preset:"), ("--tile", "4", "--tile:")],
)
def test_a_value_out_of_range_names_its_option(
    option: str, value: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = refused(["run", "in.mp4", "-o", "out.mp4", option, value], capsys)

    assert code == ExitCode.INPUT
    assert text.startswith(f"sr: {named}")
    assert text.count("\n") == 1


def test_a_source_in_s3_needs_a_place_for_its_result(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = refused(["run", "s3://bucket/film.mp4"], capsys)

    assert code == ExitCode.INPUT
    assert "say where the result goes: -o FILE or -o s3://bucket/key" in text
    assert text.count("\n") == 1


def test_a_result_lands_beside_its_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Given a file whose name has a dot, a space, a quote and a dollar sign
    source = make_clip(tmp_path / "it's my.$holiday film.mp4", frames=6)

    # and a job of other options that was interrupted there
    _unfinished_job(tmp_path / ".sr-work", size_bytes=123_000_000)

    # When no output is named
    assert main(["run", str(source), "--preset", "ultrafast"]) == ExitCode.OK

    # Then the result has the source's name with an addition
    result = tmp_path / "it's my.$holiday film-upscaled.mp4"
    assert result.is_file()
    out, err = capsys.readouterr()
    assert out.startswith(f"{result}: 6 frames")

    # and what lies there unfinished is named
    assert f"an unfinished job of other files or options (0.1 GB) in {tmp_path / '.sr-work'}: " in err


def _unfinished_job(work_dir: Path, *, size_bytes: int) -> None:
    (work_dir / "ab12").mkdir(parents=True)
    (work_dir / "ab12.lock").touch()
    with (work_dir / "ab12" / "chunk").open("wb") as file:
        file.truncate(size_bytes)


def test_an_error_is_one_json_object_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["probe", "no-such-file.mp4", "--json"])

    answer = json.loads(capsys.readouterr().out)["error"]
    assert code == answer["exit_code"] == ExitCode.INPUT
    assert answer["kind"] == "InputError"
    assert "no-such-file.mp4" in answer["message"]
    assert answer["retry_helps"] is False


def test_a_folder_that_is_no_job_is_named(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = refused(["upscale", "--job", str(tmp_path), "--chunk", "0"], capsys)

    assert code == ExitCode.INPUT
    assert str(tmp_path) in text


def test_models_lists_what_ships(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == ExitCode.OK

    listed = json.loads(capsys.readouterr().out)["models"]
    assert [entry["name"] for entry in listed][: len(shipped())] == list(shipped())
    assert {"scale", "sha256", "licence", "macs_per_pixel"} <= set(listed[0])


def test_doctor_says_which_device_would_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == ExitCode.OK

    findings = json.loads(capsys.readouterr().out)
    assert "libx264" in findings["encoders"]
    assert findings["device"].startswith(("cpu", "cuda"))


@pytest.mark.parametrize(("compiled", "said"), [(True, None), (False, "none compiled: install a C compiler")])
def test_doctor_says_what_computes_and_where_kernels_are_missing(
    compiled: bool, said: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sr_core.inference.has_own_kernels", lambda: compiled)
    monkeypatch.setattr("sr_core.inference.choose_device", lambda _settings: "cpu")
    monkeypatch.setattr(
        "sr_core.inference.settle",
        lambda settings, _model: settings.model_copy(update={"precision": "fp32", "kernels": "winograd"}),
    )

    assert main(["doctor", "--json"]) == ExitCode.OK

    findings = json.loads(capsys.readouterr().out)
    assert findings["device"].endswith("precision fp32, kernels winograd")
    assert findings.get("kernels", "").partition(",")[0] == (said or "")


def test_doctor_looks_at_the_folder_where_temporary_files_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(ENV_SCRATCH, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # as on macOS

    assert main(["doctor", "--json"]) == ExitCode.OK

    findings = json.loads(capsys.readouterr().out)
    assert findings["scratch"].startswith(f"{tmp_path}, ")
    assert findings["machine"].endswith(f", {os.cpu_count()} cores")


@pytest.mark.parametrize("command", ["probe", "extract", "encode", "assemble"])
def test_stages_for_machines_without_a_gpu_do_not_need_torch(command: str) -> None:
    arguments = ["no-such-file.mp4"] if command == "probe" else ["--job", "no-such-job"]
    if command == "encode":
        arguments += ["--chunk", "0"]

    answer = _without_torch(command, *arguments)

    assert (answer.returncode, answer.stderr.count("\n")) == (ExitCode.INPUT, 1), answer.stderr
    assert "no-such-" in answer.stderr


def test_what_needs_torch_says_so_where_there_is_none() -> None:
    answer = _without_torch("upscale", "--job", "no-such-job", "--chunk", "0")

    assert (answer.returncode, answer.stderr.count("\n")) == (ExitCode.INPUT, 1), answer.stderr
    assert answer.stderr.startswith("sr: this needs torch, which is not installed here: pip install")


def test_a_page_needs_what_comes_with_torch(tmp_path: Path) -> None:
    clip = str(make_clip(tmp_path / "clip.mp4", frames=6))

    answer = _without_torch("compare", clip, clip)

    assert (answer.returncode, answer.stderr.count("\n")) == (ExitCode.INPUT, 1), answer.stderr
    assert "which is not installed here: pip install" in answer.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "clip.mp4"]


def _without_torch(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run in a process in which torch cannot be imported."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['torch', 'safetensors', 'jinja2']))\n"
        f"from sr_core.cli.main import main; sys.exit(main({list(arguments)!r}))"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("command", "happens", "code", "told"),
    [
        ("run", "KeyboardInterrupt", ExitCode.INTERRUPTED, "stopped at once; the same command goes on"),
        ("probe", "KeyboardInterrupt", ExitCode.INTERRUPTED, "stopped; nothing is left behind"),
        ("models", "KeyboardInterrupt", ExitCode.INTERRUPTED, "stopped; nothing is left behind"),
        ("run", "MemoryError", ExitCode.HOST_CAPACITY, "with more, or smaller tiles (--tile)"),
        ("assemble", "MemoryError", ExitCode.HOST_CAPACITY, "out of memory; use a machine with more\n"),
        ("probe", "ZeroDivisionError", ExitCode.INTERNAL, "a defect of this program: ZeroDivisionError: "),
    ],
)
def test_what_ends_a_command_is_told_in_words_that_fit_it(
    command: str, happens: str, code: ExitCode, told: str
) -> None:
    """In a process of its own, in which the command's code is replaced by what happens in it."""
    arguments = {"run": ["in.mp4"], "probe": ["in.mp4"], "assemble": ["--job", "job"]}.get(command, [])
    module = "stage" if command == "assemble" else command
    program = (
        "import sys, types\n"
        f"def run(options): raise {happens}('it happened')\n"
        f"sys.modules['sr_core.cli.{module}'] = types.SimpleNamespace(run=run)\n"
        f"from sr_core.cli.main import main; sys.exit(main({[command, *arguments, '--json']!r}))"
    )

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert ended.returncode == code
    assert told in ended.stderr.splitlines(keepends=True)[-1]
    answer = json.loads(ended.stdout)["error"]
    assert (answer["exit_code"], answer["retry_helps"]) == (code, code == ExitCode.INTERRUPTED)
    assert ("Traceback" in ended.stderr) == (code == ExitCode.INTERNAL)

"""The state machines: what follows what in a video's, and what holds for all of them."""

from typing import get_args

import pytest
from statelint.linter import Linter

from sr_core.contract import CloudTier
from sr_core.delivery import container_for, default_output
from sr_core.types import Codec

from .reading import Assembly, Json, follow, states

MACHINES = ("UpscaleVideo", "UpscaleBatch", "OnUpload", "StopWork")
NAMED_FAILURES = (
    "InputNotUnderstood",
    "InputNotAllowed",
    "OutputNotAllowed",
    "InputNotFound",
    "AcceptFailed",
    "ExtractFailed",
    "RouteFailed",
    "ChunkFailed",
    "ChunksFailed",
    "AssembleFailed",
)
TASK_SUBMIT = "arn:aws:states:::batch:submitJob.sync"


@pytest.mark.parametrize("tier", CloudTier)
def test_the_plans_tier_decides_the_queue(production: Assembly, video: Json, tier: CloudTier) -> None:
    first = video[follow(video["Tier"], {"tier": str(tier)})]
    queue = "BulkQueue" if tier == CloudTier.CPU else "Queue"
    assert first["Parameters"]["JobQueue"] == f"{tier.capitalize()}/{queue}"


def test_a_tier_that_nobody_knows_is_named(video: Json) -> None:
    assert follow(video["Tier"], {"tier": "quantum"}) == "UnknownTier"
    assert video["UnknownTier"]["Parameters"]["Error"] == "UnknownTier"


def test_encode_runs_only_for_a_mezzanine(video: Json) -> None:
    assert video["UpscaleStandardSpot"]["Next"] == "NeedsEncode"
    assert follow(video["NeedsEncode"], {"segment_codec": "mezzanine"}) == "EncodeSpot"
    assert follow(video["NeedsEncode"], {"segment_codec": "delivery"}) == "ChunkDone"


def test_a_critical_video_gets_one_attempt_on_spot(video: Json) -> None:
    def attempts(critical: bool) -> object:
        return video[follow(video["Critical"], {"request": {"critical": critical}})]["Parameters"]["spot_attempts"]

    assert (attempts(True), attempts(False)) == (1, 3)
    for name, state in submissions(video):
        strategy = state["Parameters"]["RetryStrategy"]
        assert strategy["EvaluateOnExit"], "a submission's strategy replaces the definition's, rules and all"
        if name.endswith("Spot"):
            assert strategy["Attempts.$"] == "$.spot_attempts"
        else:
            assert strategy["Attempts"] > 1, "whatever the attempts on Spot: a failed transfer must not end a video"


def submissions(video: Json) -> list[tuple[str, Json]]:
    return [(name, state) for name, state in video.items() if state.get("Resource") == TASK_SUBMIT]


def test_every_job_is_first_tried_on_spot_then_on_demand(video: Json) -> None:
    tried = [name for name, _ in submissions(video)]
    assert len(tried) == 2 * (4 * 2 + 3)  # four stages on two kinds of CPU machine, three GPU tiers; two markets
    for name, state in submissions(video):
        pool, queue = state["Parameters"]["JobQueue"].split("/")
        is_bulk = name.startswith(("Encode", "UpscaleCpu"))  # a job for each chunk, on machines that all stages use
        assert queue == f"{'Bulk' if is_bulk else ''}{'OnDemand' if name.endswith('OnDemand') else ''}Queue"
        assert ("Memory" in name) == ("Memory" in pool)


@pytest.mark.parametrize(
    ("stage", "command"),
    [
        ("Extract", "States.Array('extract', '--job', $.job.uri)"),
        ("UpscalePremium", "States.Array('upscale', '--job', $.job.uri, '--chunk', States.Format('{}', $.chunk))"),
        ("EncodeMemory", "States.Array('encode', '--job', $.job.uri, '--chunk', States.Format('{}', $.chunk))"),
        ("Assemble", "States.Array('assemble', '--job', $.job.uri)"),
    ],
)
def test_a_job_runs_the_command_that_a_person_would_type(video: Json, stage: str, command: str) -> None:
    for market in ("Spot", "OnDemand"):
        assert video[f"{stage}{market}"]["Parameters"]["ContainerOverrides"]["Command.$"] == command


def test_a_job_asks_for_a_gpu_exactly_where_there_is_one(video: Json) -> None:
    for name, state in submissions(video):
        wanted = {
            need["Type"]: need["Value"] for need in state["Parameters"]["ContainerOverrides"]["ResourceRequirements"]
        }
        has_gpu = name.startswith("Upscale") and not name.startswith("UpscaleCpu")
        assert wanted.get("GPU") == ("1" if has_gpu else None)
        definition = "Upscale" if has_gpu else "UpscaleOnCpu" if name.startswith("Upscale") else None
        if definition is not None:
            assert state["Parameters"]["JobDefinition"].startswith(f"{definition}/"), "whose image is for it"


def test_upscale_is_told_its_cores_where_it_shares_its_machine_and_has_all_beside_a_gpu(video: Json) -> None:
    for name, state in submissions(video):
        overrides = state["Parameters"]["ContainerOverrides"]
        wanted = {need["Type"]: need["Value"] for need in overrides["ResourceRequirements"]}
        told = {entry["Name"]: entry["Value"] for entry in overrides.get("Environment", [])}
        assert told == ({"SR_CORES": wanted["VCPU"]} if name.startswith("UpscaleCpu") else {})


def test_only_a_failed_submission_is_submitted_again_as_it_is(video: Json) -> None:
    for _, state in submissions(video):
        (retry,) = state["Retry"]
        assert retry["ErrorEquals"] == ["Batch.ServerException", "Batch.AWSBatchException"]
        assert retry["JitterStrategy"] == "FULL", "hundreds of chunks that are throttled together come back together"
        assert retry["IntervalSeconds"] * 2 ** (retry["MaxAttempts"] - 1) > 300


def test_a_stall_without_a_reason_is_moved_on_and_ends(video: Json) -> None:
    for name, state in submissions(video):
        assert state["TimeoutSeconds"] > 0
        after = {error: entry["Next"] for entry in state["Catch"] for error in entry["ErrorEquals"]}
        base = name.removesuffix("OnDemand").removesuffix("Spot")
        assert after["States.Timeout"] == (f"{base}OnDemand" if name.endswith("Spot") else f"{base}TimedOut")
        assert after["States.TaskFailed"] == f"{name}Why"
        assert "States.ALL" in after


def test_results_of_jobs_do_not_pile_up_in_the_state(video: Json) -> None:
    # `null` means: keep the state as it is. A definition that lost its nulls would lose its state instead.
    for name, state in submissions(video):
        assert "ResultPath" in state, name
        assert state["ResultPath"] is None, name


def test_a_failed_chunk_leaves_a_record_that_the_parent_reads(video: Json) -> None:
    record = video["RecordFailure"]
    assert record["Resource"].endswith(":s3:putObject")
    assert record["Parameters"]["Key.$"] == "States.Format('{}/failures/{}.json', $.job.prefix, $.index.value)"
    assert set(record["Parameters"]["Body"]) == {"chunk.$", "error.$", "cause.$"}
    assert video["Chunks"]["Catch"][0]["Next"] == "FindFailure"
    assert "chunk {}: {}: {}" in video["ChunkFailed"]["Parameters"]["Cause.$"]


@pytest.mark.parametrize(("chunk", "padded"), [(0, "0000"), (9, "0000"), (10, "000"), (999, "00"), (10_000, "")])
def test_a_failures_key_has_five_digits(video: Json, chunk: int, padded: str) -> None:
    name = follow(video["KeyDigits"], {"chunk": chunk})
    assert video[name]["Parameters"]["value.$"] == f"States.Format('{padded}{{}}', $.chunk)"
    assert len(padded) + len(str(chunk)) == 5


def test_an_earlier_runs_records_are_forgotten_before_the_chunks_start(video: Json) -> None:
    assert video["Route"]["Next"] == "FindStaleFailures"
    assert follow(video["HasStaleFailures"], {"stale": {"Contents": [{}]}}) == "ForgetStaleFailures"
    assert follow(video["HasStaleFailures"], {"stale": {}}) == "Chunks"
    # a listing is cut, so that its answer fits into the state; what it left out is found when looking again
    assert video["FindStaleFailures"]["Parameters"]["MaxKeys"] <= 200
    assert video["ForgetStaleFailures"]["Next"] == "FindStaleFailures"
    assert video["ForgetFailure"]["Retry"]


@pytest.mark.parametrize("failure", NAMED_FAILURES)
def test_every_failure_has_a_name_and_is_announced(video: Json, failure: str) -> None:
    assert video[failure]["Parameters"]["Error"] == failure
    assert video[failure]["Next"] == "AnnounceFailure"
    assert video["AnnounceFailure"]["Next"] == "NotifyFailure"
    assert video["NotifyFailure"]["Next"] == "Failed"
    assert video["Failed"] == {"Type": "Fail", "ErrorPath": "$.failure.Error", "CausePath": "$.failure.Cause"}


def test_no_announcement_can_make_a_video_fail(video: Json) -> None:
    for name in ("Announce", "Notify", "AnnounceFailure", "NotifyFailure"):
        (caught,) = video[name]["Catch"]
        assert caught["ErrorEquals"] == ["States.ALL"]
        assert caught["Next"] == video[name]["Next"]


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ({}, True),
        ({"settings": {"crf": 14}, "critical": True, "overwrite": True, "output": "s3://Output/a.mp4"}, True),
        ({"AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": "arn"}, True),
        ({"crf": 14}, False),
        ({"setting": {"crf": 14}}, False),
        ({"Critical": True}, False),
        ({"critical": "true"}, False),
        ({"critical": None}, False),
        ({"overwrite": 1}, False),
    ],
)
def test_a_field_that_nobody_knows_is_refused_and_not_passed_over(video: Json, given: Json, accepted: bool) -> None:
    # Given the input as it is merged into the defaults
    merged = video["Start"]["Parameters"]["defaults"] | {"input": "s3://Input/a.mp4"} | given
    assert video["Defaults"]["Parameters"]["request.$"] == "States.JsonMerge($.defaults, $.given, false)"
    assert video["Fields"]["Parameters"]["values.$"] == "$.request.*"

    # Then it is looked at before anything else
    following = follow(video["FieldsKnown"], {"request": merged, "fields": {"values": list(merged.values())}})
    assert following == ("InputAllowed" if accepted else "InputNotUnderstood")


@pytest.mark.parametrize(
    ("address", "accepted"),
    [
        ("s3://Input/films/one.mp4", True),
        ("s3://Input-of-another/films/one.mp4", False),
        ("s3://another/one.mp4", False),
        ("https://Input/one.mp4", False),
        ("", False),
        (7, False),
    ],
)
def test_inputs_lie_in_configured_buckets_only(video: Json, address: object, accepted: bool) -> None:
    following = follow(video["InputAllowed"], {"request": {"input": address}})
    assert following == ("OutputAllowed" if accepted else "InputNotAllowed")


@pytest.mark.parametrize(
    ("address", "accepted"), [("", True), ("s3://Output/a.mp4", True), ("s3://Input/a.mp4", False), ("a.mp4", False)]
)
def test_outputs_lie_in_configured_buckets_only(video: Json, address: str, accepted: bool) -> None:
    following = follow(video["OutputAllowed"], {"request": {"output": address}})
    assert following == ("SourceSplit" if accepted else "OutputNotAllowed")


def test_no_two_sources_share_a_default_output(assemblies: dict[str, Assembly]) -> None:
    # Given a deployment that reads another bucket, too
    video = dict(states(assemblies["isolated"].definition("UpscaleVideo")))
    assert follow(video["HasOutput"], {"request": {"output": ""}}) == "Suffix"

    def form(bucket: str) -> str:
        state = video[follow(video["IsOwnInput"], {"source": {"bucket": bucket, "key": "tape1.mov"}})]
        return str(state["Parameters"]["uri.$"])

    # Then the name of a result tells another bucket than its own, and all before it is the source's key
    own, other = "$.source.key, $.codec.suffix", "$.source.key, $.source.bucket, $.codec.suffix"
    assert form("Input") == f"States.Format('s3://Output/{{}}/upscaled{{}}', {own})"
    assert form("example-archive") == f"States.Format('s3://Output/{{}}/upscaled.{{}}{{}}', {other})"


@pytest.mark.parametrize(
    ("settings", "codec"),
    [({"codec": codec}, codec) for codec in get_args(Codec)] + [({}, "h264"), ({"codec": "unheard-of"}, "h264")],
)
def test_a_default_output_is_one_that_its_codec_goes_into(video: Json, settings: Json, codec: Codec) -> None:
    state = video[follow(video["Suffix"], {"request": {"settings": settings}})]
    suffix = state["Parameters"]["suffix"]
    assert state["Next"] == "IsOwnInput"
    assert default_output("film.unknown", codec) == f"film-upscaled{suffix}"
    assert container_for(f"upscaled{suffix}", codec)


def test_whether_an_output_is_replaced_is_said_by_the_execution_and_does_not_make_another_job(video: Json) -> None:
    assert video["Start"]["Parameters"]["defaults"]["overwrite"] is False
    assert video["WriteRequest"]["Parameters"]["Body"]["overwrite.$"] == "$.request.overwrite"
    assert "overwrite" not in video["Identify"]["Parameters"]["id.$"]


@pytest.mark.parametrize(
    ("head", "by"),
    [
        ({"ETag": '"ab"', "VersionId": "3/L4"}, "ByVersionId"),
        ({"ETag": '"ab"', "VersionId": "null"}, "ByETag"),
        ({"ETag": '"ab"'}, "ByETag"),
    ],
)
def test_the_sources_content_is_named_as_the_stages_name_it(video: Json, head: Json, by: str) -> None:
    # given the two forms of sr_core.storage.source_version: version:<id> and etag:<etag>:<size>
    assert follow(video["HasVersionId"], {"head": head}) == by
    assert video["ByVersionId"]["Parameters"]["name.$"].startswith("States.Format('version:{}'")
    assert video["ByETag"]["Parameters"]["name.$"].startswith("States.Format('etag:{}:{}'")


@pytest.mark.parametrize("machine", MACHINES)
def test_statelint_has_nothing_to_say(assemblies: dict[str, Assembly], machine: str) -> None:
    for assembly in assemblies.values():
        if not [
            found for found in assembly.of("StepFunctions::StateMachine") if found.name == f"{machine}/StateMachine"
        ]:
            continue
        definition = assembly.definition(machine)
        for _, state in states(definition):
            if "ItemReader" in state:
                # AWS requires this field and adds it to the language, which statelint checks as it is specified
                assert state["ItemReader"]["ReaderConfig"].pop("InputType") in ("JSON", "JSONL")
        assert Linter.validate(definition) == []


@pytest.mark.parametrize("machine", MACHINES)
def test_executions_are_logged_and_traced(production: Assembly, machine: str) -> None:
    found = production.one("StepFunctions::StateMachine", f"{machine}/StateMachine").properties
    assert found["LoggingConfiguration"]["Level"] == "ALL"
    assert found["TracingConfiguration"] == {"Enabled": True}
    assert found["StateMachineType"] == "STANDARD"


def test_definitions_are_far_below_awss_limit(assembly: Assembly) -> None:
    for machine in assembly.of("StepFunctions::StateMachine"):
        assert len(machine.properties["DefinitionString"]) < 1_000_000 / 4

"""The state machine `UpscaleVideo`, from an address to a finished file.

    Accept (input in an allowed bucket, its version, defaults, hash -> job id, request.json)
    Extract (SpotThenOnDemand, CPU)
    Route (route.json)
    Chunks: Distributed Map over chunks.json, `chunk_workflow` each
    Assemble (SpotThenOnDemand, CPU, then CPU with more memory)
    Announce (EventBridge, SNS)            any failure -> AnnounceFailure -> Failed, with its name and cause: of a
                                           stage, what it said itself (`own_words`)

Pure: names in, Amazon States Language out. Input of an execution: ``{"input": "s3://…", "output": "s3://…",
"settings": {…}, "critical": false, "overwrite": false}``; everything but ``input`` has a default.
"""

from sr_core import contract
from sr_core.contract import Stage
from stacks.constructs.accept_states import Limits, Places, accept, failed
from stacks.constructs.announcements import EVENT_DONE, announce_failure, tell_bus, tell_topic
from stacks.constructs.asl import (
    FAILURE,
    SERVICE_RETRY,
    State,
    States,
    choice,
    named_failure,
    pass_to,
    sdk_task,
)
from stacks.constructs.chunk_workflow import Jobs, chunk_workflow
from stacks.constructs.own_words import asked, own_words


def video_workflow(jobs: Jobs, places: Places, limits: Limits) -> State:
    """The whole definition."""
    return {
        "Comment": "One video: extract, upscale and encode its chunks, assemble.",
        "StartAt": "Start",
        "States": {
            **accept(places, limits, next_state="ExtractSpot"),
            **_extract_and_route(jobs, places, next_state="FindStaleFailures"),
            **_chunks(jobs, places, limits, next_state="AssembleSpot"),
            **jobs.on_cpu(Stage.ASSEMBLE, on_success="Announce", on_failure=asked(Stage.ASSEMBLE))[1],
            **own_words(Stage.ASSEMBLE, index="'0'", work_bucket=places.work, next_state="AssembleFailed"),
            "AssembleFailed": failed("AssembleFailed"),
            **_announce_done(places),
            **announce_failure(places.topic),
        },
    }


def _extract_and_route(jobs: Jobs, places: Places, *, next_state: str) -> States:
    return {
        **jobs.on_cpu(Stage.EXTRACT, on_success="Route", on_failure=asked(Stage.EXTRACT))[1],
        **own_words(Stage.EXTRACT, index="'0'", work_bucket=places.work, next_state="ExtractFailed"),
        "ExtractFailed": failed("ExtractFailed"),
        "Route": sdk_task(
            "s3:getObject",
            {
                "Bucket": places.work,
                "Key.$": f"States.Format('{{}}/{contract.ROUTE_KEY}', $.job.prefix)",
            },
            next_state=next_state,
            on_error="RouteFailed",
            ResultSelector={"route.$": "States.StringToJson($.Body)"},
            ResultPath="$.routing",
        ),
        "RouteFailed": failed("RouteFailed"),
    }


def _chunks(jobs: Jobs, places: Places, limits: Limits, *, next_state: str) -> States:
    """The Distributed Map, before it the removal of an earlier run's failure records, after it the reading of one."""
    listing = {
        "Bucket": places.work,
        "Prefix.$": f"States.Format('{{}}/{contract.FAILURES_PREFIX}', $.job.prefix)",
    }
    has_failure = {"Variable": "$.failures.Contents", "IsPresent": True, "Next": "FirstFailure"}
    return {
        "FindStaleFailures": sdk_task(
            "s3:listObjectsV2",
            # A hundred at a time: a state holds 256 KB.
            {**listing, "MaxKeys": 100},
            next_state="HasStaleFailures",
            on_error="ChunksFailed",
            ResultPath="$.stale",
        ),
        "HasStaleFailures": choice(
            {"Variable": "$.stale.Contents", "IsPresent": True, "Next": "ForgetStaleFailures"}, otherwise="Chunks"
        ),
        "ForgetStaleFailures": {
            "Type": "Map",
            "ItemsPath": "$.stale.Contents",
            "MaxConcurrency": 10,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                "StartAt": "ForgetFailure",
                "States": {
                    "ForgetFailure": {
                        "Type": "Task",
                        "Resource": "arn:aws:states:::aws-sdk:s3:deleteObject",
                        "Parameters": {"Bucket": places.work, "Key.$": "$.Key"},
                        "Retry": [SERVICE_RETRY],
                        "End": True,
                    }
                },
            },
            "ResultPath": None,
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": FAILURE, "Next": "ChunksFailed"}],
            "Next": "FindStaleFailures",
        },
        "Chunks": {
            "Type": "Map",
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": {"InputType": "JSON"},
                "Parameters": {
                    "Bucket": places.work,
                    "Key.$": f"States.Format('{{}}/{contract.CHUNKS_KEY}', $.job.prefix)",
                },
            },
            "ItemSelector": {
                "job.$": "$.job",
                "spot_attempts.$": "$.spot_attempts",
                "tier.$": "$.routing.route.tier",
                "segment_codec.$": "$.routing.route.segment_codec",
                "chunk.$": "$$.Map.Item.Value.chunk",
            },
            "MaxConcurrency": limits.chunk_concurrency,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                **chunk_workflow(jobs, work_bucket=places.work),
            },
            "ResultPath": None,
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": FAILURE, "Next": "FindFailure"}],
            "Next": "LookForFailure",
        },
        # A map that tolerates no failure fails with its first child; whether one left a record is checked all the same.
        "LookForFailure": sdk_task(
            "s3:listObjectsV2",
            {**listing, "MaxKeys": 1},
            next_state="AllChunksDone",
            on_error="ChunksFailed",
            ResultPath="$.failures",
        ),
        "AllChunksDone": choice(has_failure, otherwise=next_state),
        "FindFailure": sdk_task(
            "s3:listObjectsV2",
            {**listing, "MaxKeys": 1},
            next_state="HasFailure",
            on_error="ChunksFailed",
            ResultPath="$.failures",
        ),
        "HasFailure": choice(has_failure, otherwise="ChunksFailed"),
        "FirstFailure": pass_to(
            "ReadFailure", {"first.$": "States.ArrayGetItem($.failures.Contents, 0)"}, at="$.failures"
        ),
        "ReadFailure": sdk_task(
            "s3:getObject",
            {"Bucket": places.work, "Key.$": "$.failures.first.Key"},
            next_state="ChunkFailed",
            on_error="ChunksFailed",
            ResultSelector={"record.$": "States.StringToJson($.Body)"},
            ResultPath="$.failed",
        ),
        "ChunkFailed": named_failure(
            "ChunkFailed",
            cause={
                "Cause.$": "States.Format('chunk {}: {}: {}', $.failed.record.chunk, $.failed.record.error, "
                "$.failed.record.cause)"
            },
            next_state="AnnounceFailure",
        ),
        "ChunksFailed": failed("ChunksFailed"),
    }


def _announce_done(places: Places) -> States:
    done = {"execution.$": "$$.Execution.Id", "input.$": "$.input", "output.$": "$.output", "job.$": "$.job.uri"}
    return {
        "Announce": tell_bus(EVENT_DONE, done, next_state="Notify"),
        "Notify": tell_topic(places.topic, EVENT_DONE, done, next_state="Done"),
        "Done": {"Type": "Pass", "Parameters": {"output.$": "$.output", "job.$": "$.job.uri"}, "End": True},
    }

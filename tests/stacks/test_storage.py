"""The buckets: private, encrypted, kept as long as the config says."""

import pytest

from stacks.config import load_config

from .conftest import EXAMPLES, ROOT
from .reading import Assembly, Json

BUCKETS = ("Input", "Work", "Output", "Models", "Logs")


def bucket(assembly: Assembly, name: str) -> Json:
    found: Json = assembly.one("S3::Bucket", name).properties
    return found


def lifecycle(assembly: Assembly, name: str) -> list[Json]:
    rules: list[Json] = bucket(assembly, name)["LifecycleConfiguration"]["Rules"]
    assert all(rule["Status"] == "Enabled" for rule in rules)
    return rules


@pytest.mark.parametrize("name", BUCKETS)
def test_nothing_is_public_and_everything_encrypted(assembly: Assembly, name: str) -> None:
    found = bucket(assembly, name)
    assert set(found["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(found["PublicAccessBlockConfiguration"]) == 4
    (rule,) = found["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] in ("AES256", "aws:kms")


@pytest.mark.parametrize("name", BUCKETS)
def test_requests_without_tls_are_denied(assembly: Assembly, name: str) -> None:
    (policy,) = [found for found in assembly.of("S3::BucketPolicy") if found.properties["Bucket"] == name]
    denials = [
        statement
        for statement in policy.properties["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny" and statement["Principal"] == {"AWS": "*"} and statement["Action"] == "s3:*"
    ]
    conditions = [statement["Condition"] for statement in denials]
    assert {"Bool": {"aws:SecureTransport": "false"}} in conditions
    assert {"NumericLessThan": {"s3:TlsVersion": 1.2}} in conditions
    for denial in denials:
        assert denial["Resource"] == [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]


def test_a_key_of_our_own_is_used_where_it_is_asked_for(assemblies: dict[str, Assembly]) -> None:
    isolated, production = assemblies["isolated"], assemblies["production"]
    assert not production.of("KMS::Key")
    (key,) = isolated.of("KMS::Key")
    assert key.properties["EnableKeyRotation"] is True
    for name in ("Input", "Work", "Output", "Models"):
        (rule,) = bucket(isolated, name)["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == "Key"
        assert rule["BucketKeyEnabled"] is True


def test_input_is_accelerated_and_tells_of_uploads(assembly: Assembly) -> None:
    found = bucket(assembly, "Input")
    assert found["AccelerateConfiguration"] == {"AccelerationStatus": "Enabled"}
    assert found["NotificationConfiguration"]["EventBridgeConfiguration"] == {"EventBridgeEnabled": True}


def test_output_is_versioned_and_tiered(assembly: Assembly) -> None:
    assert bucket(assembly, "Output")["VersioningConfiguration"] == {"Status": "Enabled"}
    transitions = [rule["Transitions"] for rule in lifecycle(assembly, "Output") if "Transitions" in rule]
    assert transitions == [[{"StorageClass": "INTELLIGENT_TIERING", "TransitionInDays": 0}]]


@pytest.mark.parametrize("example", EXAMPLES)
def test_job_folders_and_old_versions_expire_when_the_config_says(
    assemblies: dict[str, Assembly], example: str
) -> None:
    retention = load_config(f"config/{example}.yaml", root=ROOT).retention
    expiry = {
        rule["Prefix"]: rule["ExpirationInDays"]
        for rule in lifecycle(assemblies[example], "Work")
        if "ExpirationInDays" in rule
    }
    assert expiry == {"jobs/": retention.job_folder_days, "batches/": retention.job_folder_days}
    (old,) = [rule for rule in lifecycle(assemblies[example], "Output") if "NoncurrentVersionExpiration" in rule]
    assert old["NoncurrentVersionExpiration"] == {"NoncurrentDays": retention.old_output_days}


@pytest.mark.parametrize("name", BUCKETS)
def test_stale_uploads_are_aborted(assembly: Assembly, name: str) -> None:
    assert [rule for rule in lifecycle(assembly, name) if "AbortIncompleteMultipartUpload" in rule]


@pytest.mark.parametrize("name", ["Input", "Output"])
def test_sources_and_results_never_expire(assembly: Assembly, name: str) -> None:
    rules = bucket(assembly, name)["LifecycleConfiguration"]["Rules"]
    assert not [rule for rule in rules if "ExpirationInDays" in rule]


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize("name", BUCKETS)
def test_data_survives_the_stacks_unless_the_config_gives_it_up(
    assemblies: dict[str, Assembly], example: str, name: str
) -> None:
    keep = load_config(f"config/{example}.yaml", root=ROOT).retention.keep_data
    body = assemblies[example].one("S3::Bucket", name).body
    assert (body["DeletionPolicy"], body["UpdateReplacePolicy"]) == (("Retain",) * 2 if keep else ("Delete",) * 2)


def test_only_a_trial_gives_its_data_up() -> None:
    given_up = [name for name in EXAMPLES if not load_config(f"config/{name}.yaml", root=ROOT).retention.keep_data]
    assert given_up == ["trial"]


@pytest.mark.parametrize("name", ["Input", "Work", "Output", "Models"])
def test_who_touches_a_bucket_is_logged(assembly: Assembly, name: str) -> None:
    logging = bucket(assembly, name)["LoggingConfiguration"]
    assert logging == {"DestinationBucketName": "Logs", "LogFilePrefix": f"access/{name.lower()}/"}

"""Rights: what a request takes, and whether a role's statements give it."""

from typing import Any

import pytest

from localcloud.policy import Policy
from localcloud.s3_request import S3Request

ARN = "arn:aws:s3:::work"


def statement(actions: str | list[str], resources: str | list[str], **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("s3:GetObject", f"{ARN}/jobs/1/plan.json", True),
        ("s3:getobject", f"{ARN}/jobs/1/plan.json", True),
        ("s3:GetObject", f"{ARN}/jobs/1/receipts/upscale/00000.json", True),
        ("s3:GetObject", f"{ARN}/plan.json", False),
        ("s3:GetObject", "arn:aws:s3:::another/jobs/1/plan.json", False),
        ("s3:GetObjectVersion", f"{ARN}/jobs/1/plan.json", False),
        ("s3:PutObject", f"{ARN}/jobs/1/plan.json", False),
    ],
)
def test_what_is_allowed_is_what_a_statement_says(action: str, resource: str, allowed: bool) -> None:
    policy = Policy([statement("s3:GetObject", [f"{ARN}/jobs/*"])])
    assert policy.allows(action, resource) is allowed


def test_a_denial_wins() -> None:
    policy = Policy([statement("s3:*", "*"), statement("s3:DeleteObject", "*", Effect="Deny")])
    assert policy.allows("s3:PutObject", f"{ARN}/a")
    assert not policy.allows("s3:DeleteObject", f"{ARN}/a")


def test_a_condition_counts_only_for_requests_that_have_its_key() -> None:
    like = {"StringLike": {"s3:prefix": "jobs/*"}}
    policy = Policy([statement("s3:ListBucket", ARN, Condition=like)])
    assert policy.allows("s3:ListBucket", ARN, {"s3:prefix": "jobs/1/"})
    assert not policy.allows("s3:ListBucket", ARN, {"s3:prefix": "batches/"})
    assert not policy.allows("s3:ListBucket", ARN)


@pytest.mark.parametrize("unknown", [{"NotResource": "*"}, {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}])
def test_what_is_not_understood_gives_no_right_but_an_error(unknown: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="does not evaluate"):
        Policy([statement("s3:*", "*", **unknown)])


@pytest.mark.parametrize(
    ("line", "query", "action"),
    [
        ("GET /work/a/b.json", "", "s3:GetObject"),
        ("HEAD /work/a", "", "s3:GetObject"),
        ("GET /work/a", "versionId=1", "s3:GetObjectVersion"),
        ("PUT /work/a", "", "s3:PutObject"),
        ("POST /work/a", "uploads", "s3:PutObject"),
        ("PUT /work/a", "partNumber=1&uploadId=2", "s3:PutObject"),
        ("DELETE /work/a", "uploadId=2", "s3:AbortMultipartUpload"),
        ("DELETE /work/a", "", "s3:DeleteObject"),
        ("GET /work", "list-type=2&prefix=jobs/", "s3:ListBucket"),
        ("HEAD /work", "", "s3:ListBucket"),
    ],
)
def test_the_right_that_a_request_takes(line: str, query: str, action: str) -> None:
    assert request(line, query).action == action


@pytest.mark.parametrize(
    ("line", "query"),
    [
        ("PUT /work", ""),
        ("DELETE /work", ""),
        ("GET /work", "policy"),
        ("GET /work", "versions"),
        ("POST /work", "delete"),
        ("PUT /work/a", "acl"),
        ("DELETE /work/a", "versionId=1"),
    ],
)
def test_what_the_pipeline_has_no_business_with_takes_a_right_that_nobody_has(line: str, query: str) -> None:
    everything = Policy([statement(["s3:Get*", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"], "*")])
    asked = request(line, query)
    assert not everything.allows(asked.action, asked.resource)


def test_a_request_names_object_prefix_and_whose_it_is() -> None:
    asked = request("GET /work/films/a%20b.mp4", "", HTTP_AUTHORIZATION="AWS4-HMAC-SHA256 Credential=ASIA1/20260101/us")
    assert (asked.access_key, asked.resource) == ("ASIA1", "arn:aws:s3:::work/films/a b.mp4")
    listing = request("GET /work", "list-type=2&prefix=jobs%2F1%2F")
    assert (listing.resource, listing.conditions) == (ARN, {"s3:prefix": "jobs/1/"})


def request(line: str, query: str, **headers: str) -> S3Request:
    method, path = line.split()
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, **headers}
    return S3Request.of(environ)

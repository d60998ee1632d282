"""The state machine that an upload starts, where the config says so."""

import pytest

from sr_core.contract import SUBMITTED_PREFIX

from .reading import Assembly, Json, follow, states


@pytest.fixture
def upload(production: Assembly) -> Json:
    """Every state of `OnUpload`, by name."""
    return dict(states(production.definition("OnUpload")))


def test_uploads_start_videos_only_where_the_config_says_so(assemblies: dict[str, Assembly]) -> None:
    for name, assembly in assemblies.items():
        rules = [rule for rule in assembly.of("Events::Rule") if rule.name == "Uploaded"]
        assert len(rules) == (1 if name == "production" else 0)
    (rule,) = [rule for rule in assemblies["production"].of("Events::Rule") if rule.name == "Uploaded"]
    pattern = rule.properties["EventPattern"]
    assert pattern["detail"]["bucket"] == {"name": ["Input"]}
    suffixes = [entry["suffix"]["equals-ignore-case"] for entry in pattern["detail"]["object"]["key"]]
    assert ".mp4" in suffixes
    assert ".json" not in suffixes, "a sidecar would start a video of its own"


@pytest.mark.parametrize(
    ("found", "following"),
    [("a.mp4.json", "ReadSidecar"), ("a.mp4.json.bak", "NoSidecar"), (None, "NoSidecar")],
)
def test_an_uploads_settings_are_those_of_its_sidecar_if_there_is_one(
    upload: Json, found: str | None, following: str
) -> None:
    assert upload["NameSidecar"]["Parameters"]["key.$"] == "States.Format('{}.json', $.detail.object.key)"
    assert upload["FindSidecar"]["Parameters"]["Prefix.$"] == "$.sidecar.key"
    assert upload["ReadSidecar"]["Parameters"]["Key.$"] == "$.sidecar.key"
    listing = {} if found is None else {"Contents": [{"Key": found}], "first": {"Key": found}}
    after = follow(upload["HasSidecar"], {"found": listing})
    if found is not None:
        assert upload[after]["Next"] == "IsSidecar"
        after = follow(upload["IsSidecar"], {"found": listing, "sidecar": {"key": "a.mp4.json"}})
    assert after == following
    assert upload["NoSidecar"]["Parameters"] == {"settings": {}}


def test_what_was_submitted_is_asked_for_already_and_starts_nothing(upload: Json, production: Assembly) -> None:
    def after(key: str) -> str:
        return follow(upload["IsSubmitted"], {"detail": {"object": {"key": key}}})

    assert production.definition("OnUpload")["StartAt"] == "IsSubmitted"
    assert upload[after(f"{SUBMITTED_PREFIX}ab12/film.mp4")]["Type"] == "Succeed"
    assert after(f"films/{SUBMITTED_PREFIX}film.mp4") == "NameSidecar"


@pytest.mark.parametrize("failure", ["SidecarUnreadable", "StartFailed"])
def test_an_upload_that_starts_nothing_is_told(upload: Json, failure: str) -> None:
    # given that nobody waits for this execution
    assert upload[failure]["Parameters"]["Error"] == failure
    assert upload[failure]["Next"] == "AnnounceFailure"
    assert upload["NotifyFailure"]["Parameters"]["TopicArn"] == "Announcements"
    assert upload["NotifyFailure"]["Next"] == "Failed"


def test_an_upload_that_is_announced_twice_starts_one_video(upload: Json) -> None:
    assert "$.detail.object.sequencer" in upload["StartVideo"]["Parameters"]["Name.$"]
    after = {error: entry["Next"] for entry in upload["StartVideo"]["Catch"] for error in entry["ErrorEquals"]}
    assert upload[after["StepFunctions.ExecutionAlreadyExistsException"]]["Type"] == "Succeed"


def test_another_upload_of_the_same_key_replaces_the_result_of_the_former(upload: Json) -> None:
    assert upload["StartVideo"]["Parameters"]["Input"]["overwrite"] is True

"""Done means a receipt that bears this plan's digest and whose data is there."""

import hashlib
import json
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from sr_core import layout
from sr_core.contract import PLAN_KEY, REQUEST_KEY, Stage
from sr_core.errors import DamagedData, InputError, IntegrityError
from sr_core.manifest import Manifest
from sr_core.planning import make_plan
from sr_core.storage import ObjectInfo, open_store
from sr_core.timestamps import FrameTable
from sr_core.types import Plan, Receipt, Settings, Timing
from tests import builders


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """A job folder with a request and a plan of three segments."""
    made = Manifest(open_store(str(tmp_path / "job")))
    made.store.put_bytes(REQUEST_KEY, builders.request().to_json())
    table = FrameTable(time_base=Fraction(1, 25))
    for index in range(250):
        table.append(index, checksum=index)
    made.write_plan(make_plan(builders.request(), builders.model(), builders.video(), tier="local"), table)
    return made


def committed(manifest: Manifest, tmp_path: Path, content: bytes, *, index: int = 0, **changes: object) -> Receipt:
    sha256 = hashlib.sha256(content).hexdigest()
    path = tmp_path / f"{sha256}.mkv"
    path.write_bytes(content)
    receipt = Receipt(
        stage=Stage.UPSCALE,
        index=index,
        key=layout.data_key(Stage.UPSCALE, index, sha256=sha256, suffix=".mkv"),
        size_bytes=len(content),
        sha256=sha256,
        frame_count=100,
        plan_digest=manifest.plan_digest,
        fingerprint=(),
        machine="here",
        timing=Timing(total_seconds=1),
    ).model_copy(update=changes)
    return manifest.commit(receipt, path)


def set_aside(manifest: Manifest) -> list[str]:
    return [info.key for info in manifest.store.list("set-aside/")]


def test_a_committed_unit_is_done(manifest: Manifest, tmp_path: Path) -> None:
    receipt = committed(manifest, tmp_path, b"segment", index=1)

    assert manifest.receipts(Stage.UPSCALE, range(3)) == {1: receipt}
    assert manifest.fetch(receipt, tmp_path).read_bytes() == b"segment"


def test_many_receipts_are_asked_for_together(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a store that answers only when two requests are under way
    receipts = {index: committed(manifest, tmp_path, b"segment %d" % index, index=index) for index in range(2)}
    both, get_bytes = threading.Barrier(2, timeout=10), manifest.store.get_bytes

    def answered_in_pairs(key: str) -> bytes:
        both.wait()
        return get_bytes(key)

    monkeypatch.setattr(manifest.store, "get_bytes", answered_in_pairs)

    assert manifest.receipts(Stage.UPSCALE, range(3)) == receipts


def test_the_second_of_two_workers_takes_the_firsts_result(manifest: Manifest, tmp_path: Path) -> None:
    # Given a segment that one worker has committed
    first = committed(manifest, tmp_path, b"first")

    # When another commits the same segment with other bytes
    second = committed(manifest, tmp_path, b"second")

    # Then the first result stands and the second one's data is gone
    assert second == first
    assert [info.key for info in manifest.store.list("segments/")] == [first.key]


@pytest.mark.parametrize("damage", ["deleted", "truncated"])
def test_a_receipt_whose_data_is_gone_or_short_is_set_aside(manifest: Manifest, tmp_path: Path, damage: str) -> None:
    receipt = committed(manifest, tmp_path, b"segment")
    if damage == "deleted":
        manifest.store.delete(receipt.key)
    else:
        manifest.store.put_bytes(receipt.key, b"segm")

    assert manifest.receipts(Stage.UPSCALE, [0]) == {}
    assert len(set_aside(manifest)) == 1
    assert committed(manifest, tmp_path, b"segment") == receipt


def test_a_receipt_whose_data_was_changed_is_set_aside_when_it_is_read(manifest: Manifest, tmp_path: Path) -> None:
    receipt = committed(manifest, tmp_path, b"segment")
    manifest.store.put_bytes(receipt.key, b"tnemges")

    with pytest.raises(DamagedData, match=r"set aside: start the job again"):
        manifest.fetch(receipt, tmp_path)
    assert manifest.receipts(Stage.UPSCALE, [0]) == {}
    assert len(set_aside(manifest)) == 1


@pytest.mark.parametrize("first", ["segments/", "receipts/"])
def test_what_another_worker_commits_meanwhile_is_not_set_aside(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """A machine that was given up, and may not know it, finishes a segment between two of our requests."""
    store, listed = manifest.store, manifest.store.list

    def list_and_then_commit(prefix: str = "") -> Iterator[ObjectInfo]:
        found = list(listed(prefix))
        if prefix.startswith(first):
            monkeypatch.setattr(store, "list", listed)
            committed(manifest, tmp_path, b"the other's")
        return iter(found)

    monkeypatch.setattr(store, "list", list_and_then_commit)
    manifest.receipts(Stage.UPSCALE, [0])

    assert set_aside(manifest) == []
    assert [receipt.index for receipt in manifest.receipts(Stage.UPSCALE, [0]).values()] == [0]


def test_a_receipt_of_another_plan_does_not_count(manifest: Manifest, tmp_path: Path) -> None:
    committed(manifest, tmp_path, b"segment", plan_digest="another")

    assert manifest.receipts(Stage.UPSCALE, [0]) == {}
    assert len(set_aside(manifest)) == 1


def test_work_is_told_of_after_its_data_is_gone_and_only_that_of_this_plan(manifest: Manifest, tmp_path: Path) -> None:
    # Given four receipts, of which one has lost its data, one is of another plan, and one is damaged
    whole = committed(manifest, tmp_path, b"whole", index=0)
    gone = committed(manifest, tmp_path, b"gone", index=1)
    manifest.store.delete(gone.key)
    committed(manifest, tmp_path, b"other", index=2, plan_digest="another")
    manifest.store.put_bytes(layout.receipt_key(Stage.UPSCALE, 3), b'{"stage": "upsc')

    assert manifest.told(Stage.UPSCALE, range(5)) == [whole, gone]
    assert set_aside(manifest) == []


def test_a_receipt_that_is_not_one_does_not_count(manifest: Manifest, tmp_path: Path) -> None:
    manifest.store.put_bytes(layout.receipt_key(Stage.UPSCALE, 0), b'{"stage": "upsc')

    assert manifest.receipts(Stage.UPSCALE, [0]) == {}
    assert len(set_aside(manifest)) == 1


def test_a_receipt_that_names_no_key_does_not_count(manifest: Manifest, tmp_path: Path) -> None:
    receipt = committed(manifest, tmp_path, b"segment").model_copy(update={"key": "../elsewhere"})
    manifest.store.put_bytes(layout.receipt_key(Stage.UPSCALE, 0), receipt.to_json())

    assert manifest.receipts(Stage.UPSCALE, [0]) == {}
    assert len(set_aside(manifest)) == 1


def test_the_first_plan_holds_when_two_are_written(manifest: Manifest) -> None:
    first = manifest.plan()
    other = make_plan(builders.request(), builders.model(), builders.video(), tier="premium", chunk_segments=1)
    assert other.digest() != first.digest()

    assert manifest.write_plan(other, manifest.frames()) == first


def test_a_damaged_plan_and_a_folder_without_request_are_named(manifest: Manifest, tmp_path: Path) -> None:
    manifest.store.put_bytes(PLAN_KEY, b"{}")
    with pytest.raises(Exception, match=r"plan.json is damaged; delete the job folder"):
        manifest.plan()
    with pytest.raises(InputError, match=r"is it a job folder\?"):
        Manifest(open_store(str(tmp_path))).request()


def test_a_plan_whose_weights_lie_outside_of_the_job_is_damaged(manifest: Manifest) -> None:
    # Given a plan that would have the weights fetched to beside a worker's folder
    plan = json.loads(manifest.plan().to_json())
    plan["model"]["stored_key"] = "../" + "0" * 64
    manifest.store.put_bytes(PLAN_KEY, json.dumps(plan).encode())

    with pytest.raises(IntegrityError, match=r"plan.json is damaged; delete the job folder"):
        manifest.plan()


def test_a_plan_names_the_chunks_that_exist(manifest: Manifest) -> None:
    plan: Plan = manifest.plan()

    with pytest.raises(InputError, match="there is no chunk 7; the job has chunks 0 to 0"):
        plan.chunk(7)


def test_a_request_of_another_contract_is_refused(manifest: Manifest) -> None:
    written = json.loads(builders.request().to_json())
    manifest.store.put_bytes(REQUEST_KEY, json.dumps(written | {"contract_version": 99}).encode())

    with pytest.raises(
        InputError, match=r"request\.json is not a request: contract_version: .* contract 99, and .* 2;"
    ):
        manifest.request()


def test_a_request_for_a_tier_that_there_is_not_is_told_which_there_are(manifest: Manifest) -> None:
    # Given a request that was written by hand
    written = json.loads(builders.request().to_json())
    manifest.store.put_bytes(REQUEST_KEY, json.dumps(written | {"settings": {"tier": "gpu"}}).encode())

    with pytest.raises(
        InputError, match=r"settings\.tier: Input should be 'auto', 'cpu', 'standard', 'premium' or 'memory'"
    ):
        manifest.request()


def test_a_plan_of_another_request_is_not_followed(manifest: Manifest) -> None:
    # Given that the request of the folder is replaced, but for what does not make it another job
    manifest.store.put_bytes(REQUEST_KEY, builders.request(overwrite=True).to_json())
    assert manifest.plan_if_made() is not None
    manifest.store.put_bytes(REQUEST_KEY, builders.request(Settings(crf=30)).to_json())

    with pytest.raises(IntegrityError, match=r"plan\.json was made for another request than request\.json; delete"):
        manifest.plan_if_made()

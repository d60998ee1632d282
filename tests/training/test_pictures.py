"""Pictures to judge by, and promises that are checked."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from training.clips import ClipScore
from training.compare import LEAST_NEG_GAIN, RIVAL, verdict
from training.pictures import curve, read_log, sheet


def test_a_sheet_has_a_row_for_each_subject_and_a_column_for_each_method() -> None:
    crop = torch.zeros(3, 10, 12, dtype=torch.uint8)
    one = sheet({"a": {"x": crop}})
    more = sheet({"a": {"x": crop, "y": crop}, "b": {"x": crop, "y": crop}})
    assert more.width - 6 == 2 * (one.width - 6)
    assert more.height - 6 == 2 * (one.height - 6)


def test_a_curve_goes_up_where_the_figures_do(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    lines = [{"step": step, "loss": 1 / step, "psnr_db": psnr} for step, psnr in ((1, 30.0), (50, None), (99, 31.0))]
    log.write_text("\n".join(json.dumps(line) for line in lines))

    page = np.array(curve(read_log(log), title="a run"))

    blue = (page == [0, 0, 128]).all(axis=2)[31:380, 71:829]
    columns = np.flatnonzero(blue.any(axis=0))
    first, last = (float(np.flatnonzero(blue[:, column]).mean()) for column in (columns[5], columns[-5]))
    assert first > last + 300  # rows count from the top


def test_a_single_measurement_makes_no_curve() -> None:
    with pytest.raises(ValueError, match="1 measured steps"):
        curve([(1, 1.0, 30.0)], title="a run")


def scores(**changes: float) -> ClipScore:
    return ClipScore(**({"vmaf": 50.0, "vmaf_neg": 40.0, "psnr_y_db": 30.0, "flicker_codes": 5.0} | changes))


@pytest.mark.parametrize(
    ("ours", "broken"),
    [
        ({"vmaf_neg": 47.0, "psnr_y_db": 30.1}, []),
        ({"vmaf_neg": 46.0, "psnr_y_db": 30.1}, ["VMAF-NEG at least Lanczos + 6.5"]),
        ({"vmaf_neg": 47.0, "psnr_y_db": 29.9}, ["PSNR-Y not below Lanczos"]),
        ({"vmaf_neg": 47.0, "psnr_y_db": 28.9}, ["PSNR-Y not below Lanczos", f"above {RIVAL} in both"]),
    ],
    ids=["all kept", "too little gain", "less faithful", "below the rival"],
)
def test_a_promise_that_is_not_kept_is_named(ours: dict[str, float], broken: list[str]) -> None:
    assert LEAST_NEG_GAIN[4] == 6.5
    given = {
        "lanczos": {"clip": scores()},
        RIVAL: {"clip": scores(vmaf_neg=42.0, psnr_y_db=29.0)},
        "ours": {"clip": scores(**ours)},
    }
    kept = verdict(given, "ours", scale=4)
    assert [what for what, holds in kept.items() if not holds] == broken

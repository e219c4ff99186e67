from __future__ import annotations

import os
from pathlib import Path

import pytest

from compress_onnx.data.content import content_hashes
from compress_onnx.data.sources import load_data
from compress_onnx.data.splits import calibration_images, check_disjoint, choose_calibration, load_manifest

COMMITTED = Path(__file__).resolve().parents[2] / "calibration"


@pytest.fixture(params=["digits", "cifar10", "gtsrb"])
def name(request: pytest.FixtureRequest) -> str:
    if not COMMITTED.is_dir():
        pytest.skip("no calibration folder beside the tests")
    if request.param == "digits":
        pytest.importorskip("sklearn")
    elif not (Path(os.environ.get("COMPRESS_ONNX_DATA", "")) / request.param / "train.parquet").is_file():
        pytest.skip(f"{request.param} is not stored under $COMPRESS_ONNX_DATA")
    return str(request.param)


def test_a_committed_manifest_names_these_pictures_and_none_that_is_evaluated(name: str) -> None:
    manifest = load_manifest(COMMITTED / f"{name}.json")
    train = load_data(f"{name}:train")
    assert manifest.dataset_sha256 == train.info.sha256
    assert len(calibration_images(manifest, train)) == 512
    assert max(manifest.class_counts.values()) - min(manifest.class_counts.values()) <= 1
    check_disjoint(manifest, content_hashes(load_data(name)), where=name)


def test_the_digits_manifest_can_be_drawn_again() -> None:
    pytest.importorskip("sklearn")
    if not COMMITTED.is_dir():
        pytest.skip("no calibration folder beside the tests")
    assert choose_calibration(load_data("digits:train"), 512, seed=0) == load_manifest(COMMITTED / "digits.json")

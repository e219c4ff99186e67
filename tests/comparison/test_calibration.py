"""Calibration images: a manifest that fits is used, another is chosen, and none is evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compress_onnx.comparison import calibration
from compress_onnx.comparison.calibration import beside, calibration_for, calibration_info, manifests_of
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.data.content import content_hashes
from compress_onnx.data.splits import save_manifest
from compress_onnx.errors import DataError, ModelError
from compress_onnx.model.files import load_model
from compress_onnx.model.metadata import Embedded, read_embedded
from compress_onnx.model.model import Model
from compress_onnx.records.artifacts import Preprocessing
from compress_onnx.steps.quantization import CalibrationData, quantized

OPTIONS = QuantizeOptions(cpu="x86-64-vnni")


@pytest.fixture(autouse=True)
def _nothing_filed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "filed").mkdir()
    monkeypatch.setattr(calibration, "manifest_roots", lambda: (tmp_path / "filed",))


def test_images_are_chosen_where_no_manifest_fits(make_images: Any) -> None:
    choice = calibration_for(make_images(seed=1), 9, seed=3, evaluation=make_images(seed=2))
    assert (choice.info.n, choice.info.seed, len(choice.images)) == (9, 3, 9)
    assert choice.manifest.class_counts == {"red": 3, "green": 3, "blue": 3}


def test_a_filed_manifest_is_used(make_images: Any, tmp_path: Path) -> None:
    training = make_images(seed=1)
    filed = calibration_for(training, 9, seed=3, evaluation=None).manifest
    # Told apart from a fresh choice of the same size and seed by its name.
    renamed = type(filed)(**{name: getattr(filed, name) for name in filed.__slots__} | {"name": "filed one"})
    save_manifest(tmp_path / "filed" / "pictures1.json", renamed)
    assert calibration_for(training, 9, seed=3, evaluation=None).manifest.name == "filed one"
    assert calibration_for(training, 8, seed=3, evaluation=None).manifest.name != "filed one"
    assert calibration_for(training, 9, seed=4, evaluation=None).manifest.name != "filed one"
    assert calibration_for(make_images(seed=2), 9, seed=3, evaluation=None).manifest.name != "filed one"


def test_evaluated_pictures_are_passed_over(make_images: Any) -> None:
    training = make_images(seed=1)
    first = calibration_for(training, 30, seed=0, evaluation=None)
    other = calibration_for(training, 30, seed=0, evaluation=first.images)
    assert not set(other.manifest.sample_sha256) & content_hashes(first.images)


def test_a_filed_manifest_with_evaluated_pictures_is_refused(make_images: Any, tmp_path: Path) -> None:
    training = make_images(seed=1)
    choice = calibration_for(training, 9, seed=3, evaluation=None)
    save_manifest(tmp_path / "filed" / "pictures1.json", choice.manifest)
    with pytest.raises(DataError, match="calibration images that are not evaluated, got 9 in both"):
        calibration_for(training, 9, seed=3, evaluation=training)


def test_too_few_pictures_are_refused(make_images: Any) -> None:
    with pytest.raises(DataError, match="100 images to calibrate on, got 90"):
        calibration_for(make_images(seed=1), 100, seed=0, evaluation=None)


@pytest.fixture
def quantized_file(make_classifier: Any, make_images: Any, tmp_path: Path) -> Path:
    data = CalibrationData(training=make_images(seed=1), evaluation=None, size=30, seed=0)
    target = tmp_path / "w8a8.onnx"
    result = quantized(make_classifier("base"), OPTIONS, data=data)
    result.model.save(target)
    assert result.manifest.name == "pictures1-all-30-seed0"
    return target


def test_a_quantized_file_names_its_manifest(quantized_file: Path) -> None:
    (manifest,) = manifests_of([Model.of(quantized_file), Model.of(quantized_file)])
    info = calibration_info(manifest)
    assert (info.manifest, info.n) == ("pictures1-all-30-seed0", 30)
    assert read_embedded(load_model(quantized_file)).recipe[-1].options["calibration"] == info.sha256


def test_a_manifest_that_is_filed_is_not_written_again(
    quantized_file: Path, make_classifier: Any, make_images: Any, tmp_path: Path
) -> None:
    beside(quantized_file).rename(tmp_path / "filed" / "pictures1.json")
    data = CalibrationData(training=make_images(seed=1), evaluation=None, size=30, seed=0)
    quantized(make_classifier("base"), OPTIONS, data=data).model.save(quantized_file)
    assert not beside(quantized_file).exists()
    assert len(manifests_of([Model.of(quantized_file)])) == 1


def test_a_model_whose_manifest_is_away_is_not_vouched_for(quantized_file: Path) -> None:
    beside(quantized_file).unlink()
    assert manifests_of([Model.of(quantized_file)]) == ()


def test_a_model_that_nobody_calibrated_says_nothing(make_classifier: Any) -> None:
    assert manifests_of([Model.of(make_classifier("base"))]) == ()


def test_pictures_of_another_size_than_the_models_are_refused(
    make_classifier: Any, make_images: Any, tmp_path: Path
) -> None:
    odd = Preprocessing(height=9, width=6, mean=(0.5,) * 3, std=(0.5,) * 3)
    data = CalibrationData(training=make_images(), evaluation=None, size=9, seed=0, preprocessing=odd)
    with pytest.raises(ModelError, match=r"an input of shape \(N, 3, 9, 6\)"):
        quantized(make_classifier("base", embedded=Embedded()), OPTIONS, data=data)
    assert not (tmp_path / "q.onnx").exists()

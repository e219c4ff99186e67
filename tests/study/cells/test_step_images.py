"""Some training images calibrate, more of them repair, and none is evaluated."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from compress_onnx.data.content import content_hashes
from compress_onnx.data.images import ImageSet
from compress_onnx.data.splits import save_manifest
from compress_onnx.errors import DataError
from compress_onnx.records.artifacts import Preprocessing
from compress_onnx.study.cells import step_images as module
from compress_onnx.study.cells.step_images import ImageRequest, step_images

FORM = Preprocessing(height=6, width=6, mean=(0.5,) * 3, std=(0.5,) * 3)


@pytest.fixture
def baseline(make_classifier: Callable[..., Path]) -> onnx.ModelProto:
    return onnx.load(make_classifier("base", noise=0.3))


def asked(training: ImageSet, **changes: Any) -> ImageRequest:
    return ImageRequest(**{"training": training, "size": 12, "repairs": False, "seed": 0, "roots": (), **changes})


def inputs_of(batches: Any) -> Any:
    return np.concatenate(list(batches()))


def test_steps_that_need_no_images_get_none(baseline: onnx.ModelProto, make_images: Callable[..., ImageSet]) -> None:
    with contextlib.ExitStack() as stack:
        images = step_images(None, baseline, FORM, make_images(30), stack=stack)
    assert (images.choice, images.steps.calibration, images.steps.repair) == (None, None, None)


def test_as_many_calibrate_as_asked_for_in_the_baseline_s_own_form(
    baseline: onnx.ModelProto, make_images: Callable[..., ImageSet]
) -> None:
    training = make_images(90, seed=1)
    with contextlib.ExitStack() as stack:
        images = step_images(asked(training), baseline, FORM, make_images(30), stack=stack)
        assert images.choice is not None
        assert images.steps.calibration is not None
        assert images.steps.repair is None
        fed = inputs_of(images.steps.calibration)
        every = np.concatenate(list(training.batches(FORM)))
    assert images.choice.info.n == 12
    assert (fed.shape, fed.dtype) == ((12, 3, 6, 6), np.float32)
    assert {row.tobytes() for row in fed} <= {row.tobytes() for row in every}


def test_images_can_be_fed_again_and_again(baseline: onnx.ModelProto, make_images: Callable[..., ImageSet]) -> None:
    with contextlib.ExitStack() as stack:
        images = step_images(asked(make_images(90, seed=1)), baseline, FORM, make_images(30), stack=stack)
        assert images.steps.calibration is not None
        first, second = (inputs_of(images.steps.calibration) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(("most", "n"), [(2048, 45), (20, 20)])
def test_half_of_a_small_set_repairs_and_no_more_than_prune_takes(
    baseline: onnx.ModelProto,
    make_images: Callable[..., ImageSet],
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    n: int,
) -> None:
    monkeypatch.setattr(module, "REPAIR_SIZE", type("Size", (), {"default": most}))
    with contextlib.ExitStack() as stack:
        request = asked(make_images(90, seed=1), repairs=True, seed=3)
        repair = step_images(request, baseline, FORM, make_images(30), stack=stack).steps.repair
        assert repair is not None
        assert len(inputs_of(repair.batches)) == n
        assert repair.prepared.choice.info.n == n
        assert (repair.sha256, repair.seed) == (repair.prepared.choice.info.sha256, 3)
        assert repair.reference.given.SerializeToString() == baseline.SerializeToString()


def test_none_of_them_is_evaluated(baseline: onnx.ModelProto, make_images: Callable[..., ImageSet]) -> None:
    training = make_images(90, seed=1)
    evaluation = training.subset(np.arange(0, 60), split="evaluated")
    with contextlib.ExitStack() as stack:
        images = step_images(asked(training), baseline, FORM, evaluation, stack=stack)
        assert images.choice is not None
        chosen = set(images.choice.manifest.sample_sha256)
    assert len(chosen) == 12
    assert not chosen & content_hashes(evaluation)


def test_too_few_that_are_not_evaluated_are_refused(
    baseline: onnx.ModelProto, make_images: Callable[..., ImageSet]
) -> None:
    training = make_images(90, seed=1)
    evaluation = training.subset(np.arange(0, 85), split="evaluated")
    with contextlib.ExitStack() as stack, pytest.raises(DataError):
        step_images(asked(training), baseline, FORM, evaluation, stack=stack)


def test_the_seed_chooses_and_a_manifest_under_the_roots_goes_first(
    make_images: Callable[..., ImageSet], tmp_path: Path
) -> None:
    training, evaluation = make_images(90, seed=1), make_images(30)
    first, again, other = (asked(training, seed=seed).chosen(12, evaluation).manifest for seed in (0, 0, 1))
    assert first == again
    assert first.sample_ids != other.sample_ids
    (tmp_path / "roots").mkdir()
    save_manifest(tmp_path / "roots" / f"{training.info.name}.json", first)
    filed = asked(training, roots=(tmp_path / "roots",)).chosen(12, evaluation).manifest
    assert filed == first
    with pytest.raises(DataError):
        asked(training, roots=(tmp_path / "roots",)).chosen(12, training)

"""What a file says when it is asked, run and given images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.data.images import ImageSet
from compress_onnx.errors import ModelError, OptionError
from compress_onnx.model.metadata import Embedded
from compress_onnx.model.model import Model
from compress_onnx.records.artifacts import Preprocessing
from compress_onnx.steps.inspection import Inspected, inspected, loaded_footprint, saturation_audit
from compress_onnx.steps.quantization import CalibrationData, quantized


def quantized_model(source: Any, images: ImageSet) -> Model:
    data = CalibrationData(training=images, evaluation=None, size=30, seed=0)
    return quantized(source, QuantizeOptions(cpu="x86-64-vnni"), data=data).model


def audited(model: Model, images: ImageSet | None, *, n: int = 40, seed: int = 0) -> Any:
    return saturation_audit(model, images, n=n, seed=seed, preprocessing=None)


def test_an_inspection_counts_what_lies_in_the_file(make_classifier: Callable[..., Path]) -> None:
    path = make_classifier("base", noise=0.5)
    inspection = inspected(path, Inspected())
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    assert {weight.elements for weight in inspection.weights} == {stored["w1"].size, stored["w2"].size}
    assert inspection.artifact.weights == sum(array.size for array in stored.values())
    assert inspection.artifact.nonzero_weights == sum(int((array != 0).sum()) for array in stored.values())
    assert inspection.footprint.file_bytes == path.stat().st_size
    assert inspection.footprint.resident is not None
    assert (inspection.batch_norms, inspection.profile) == (0, None)


def test_it_is_run_only_where_that_is_asked_for(make_classifier: Callable[..., Path]) -> None:
    inspection = inspected(make_classifier("base"), Inspected(profiled=True))
    assert inspection.profile is not None
    assert inspection.profile.nodes >= 3


def test_a_file_that_is_written_to_meanwhile_is_refused(
    make_classifier: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_classifier("base")

    def rewriting(model: Model) -> None:
        model.where.write_bytes(b"another")

    monkeypatch.setattr("compress_onnx.steps.inspection.memory_after_load", rewriting)
    with pytest.raises(ModelError, match="base"):
        inspected(path, Inspected())


@pytest.mark.parametrize("changes", [{"n": 0}, {"seed": -1}])
def test_numbers_are_checked_as_on_the_command_line(changes: dict[str, int]) -> None:
    with pytest.raises(OptionError):
        Inspected(**changes)  # type: ignore[arg-type]  # integers both


def test_loading_takes_memory_beside_the_bytes_of_the_file(make_classifier: Callable[..., Path]) -> None:
    model = Model.of(make_classifier("base"))
    size = loaded_footprint(model)
    assert size.file_bytes == model.where.stat().st_size
    assert size.resident is not None


def test_without_images_an_audit_says_what_could_overflow_and_not_how_often(
    make_classifier: Callable[..., Path], make_images: Callable[..., ImageSet]
) -> None:
    model = quantized_model(make_classifier("base", noise=0.5), make_images(60))
    bare, seen = audited(model, None), audited(model, make_images(60))
    assert (bare.images, bare.flips) == (None, None)
    assert "give images with --data" in bare.reason
    assert seen.images == 40
    assert seen.flips is not None
    assert [node.name for node in bare.nodes] == [node.name for node in seen.nodes]


@pytest.mark.parametrize(("n", "images"), [(7, 7), (60, 60), (1000, 60)])
def test_as_many_images_are_drawn_as_asked_for_or_all(
    make_classifier: Callable[..., Path], make_images: Callable[..., ImageSet], n: int, images: int
) -> None:
    model = quantized_model(make_classifier("base", noise=0.5), make_images(60))
    assert audited(model, make_images(60), n=n).images == images


def test_the_seed_draws_the_images(
    make_classifier: Callable[..., Path], make_images: Callable[..., ImageSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = quantized_model(make_classifier("base", noise=0.5), make_images(60))
    fed: list[Any] = []
    monkeypatch.setattr(
        "compress_onnx.steps.inspection.audit", lambda _, batches: fed.append(np.concatenate(list(batches)))
    )
    for seed in (0, 0, 1):
        audited(model, make_images(60), n=20, seed=seed)
    assert np.array_equal(fed[0], fed[1])
    assert not np.array_equal(fed[0], fed[2])
    assert len(np.unique(fed[0], axis=0)) == 20


def test_a_file_of_fixed_batch_is_fed_whole_batches_only(
    make_classifier: Callable[..., Path], make_images: Callable[..., ImageSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(
        "compress_onnx.steps.inspection.audit", lambda _, batches: sizes.extend(len(batch) for batch in batches)
    )
    audited(Model.of(make_classifier("fixed", batch=8)), make_images(60), n=30)
    assert sizes == [8, 8, 8]
    sizes.clear()
    audited(Model.of(make_classifier("free")), make_images(60), n=30)
    assert sum(sizes) == 30


def test_images_need_a_preprocessing_from_somewhere(
    make_classifier: Callable[..., Path], make_images: Callable[..., ImageSet]
) -> None:
    model = Model.of(make_classifier("foreign", embedded=Embedded()))
    with pytest.raises(ModelError, match=r"preprocessing in the model's metadata, got none.*Give it with --mean"):
        audited(model, make_images(60))
    form = Preprocessing(height=6, width=6, mean=(0.5,) * 3, std=(0.5,) * 3)
    saturation_audit(model, make_images(60), n=5, seed=0, preprocessing=form)


def test_a_preprocessing_that_the_model_does_not_take_is_refused(
    make_classifier: Callable[..., Path], make_images: Callable[..., ImageSet]
) -> None:
    model = Model.of(make_classifier("foreign", embedded=Embedded()))
    form = Preprocessing(height=9, width=9, mean=(0.5,) * 3, std=(0.5,) * 3)
    with pytest.raises(ModelError, match="9"):
        saturation_audit(model, make_images(60), n=5, seed=0, preprocessing=form)

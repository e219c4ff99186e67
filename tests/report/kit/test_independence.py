"""What is said of models whose answers depend on the other images of a call."""

from __future__ import annotations

import dataclasses

from compress_onnx.records.run import BatchIndependence
from compress_onnx.report.kit.independence import batch_warnings, independence_cell

APART = BatchIndependence(independent=True, checked=16, batch=16, changed=0, compared=16, largest_difference=0.0)
MIXED = dataclasses.replace(
    APART,
    independent=False,
    changed=1_015,
    compared=2_000,
    largest_difference=0.25,
    predicted_batch=1,
    causes=("Softmax 'a' over the images of a call", "CumSum 'b' over the images of a call", "MatMul 'c' too"),
)


def test_nothing_is_said_of_models_that_keep_images_apart() -> None:
    assert batch_warnings(None) == batch_warnings(APART) == ()
    assert independence_cell(APART).text == "no (16 images checked)"
    assert independence_cell(None).text == "–"


def test_cause_batch_and_changed_answers_are_said() -> None:
    (said,) = batch_warnings(MIXED)
    assert said == (
        "An answer may depend on the other images of a call (Softmax 'a' over the images of a call; CumSum 'b' over the "
        "images of a call; and 1 more), so it is predicted one image at a time. 16 images at a time, 1,015 of 2,000 "
        "predictions are others (logits by up to 0.25)."
    )
    (said,) = batch_warnings(dataclasses.replace(MIXED, predicted_batch=8, batch=1, causes=()))
    assert said.startswith(
        "An answer may depend on the other images of a call, so it is predicted 8 images at a time. One "
    )


def test_what_draws_at_random_is_named() -> None:
    (said,) = batch_warnings(dataclasses.replace(APART, draws=("Dropout 'd'",)))
    assert "draw at random (Dropout 'd')" in said

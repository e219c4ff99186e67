"""Training images: the test split of named data is left out unless others are named."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from compress_onnx import steps
from compress_onnx.api import models
from compress_onnx.api.example import classifier, pictures
from compress_onnx.data.arrays import Source, picture_set


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The list fills with what is loaded; all of it is the same pictures."""
    names: list[Any] = []

    def load(source: Any) -> Any:
        names.append(source)
        images, labels = pictures(30, seed=len(names))
        return picture_set(images, labels, source=Source(name="pictures"))

    monkeypatch.setattr(models, "image_set", load)
    return names


@pytest.mark.parametrize(
    ("name", "exclude", "evaluation"),
    [
        ("digits:train", None, "digits:test"),
        ("digits:train", "mine.npz", "mine.npz"),
        ("digits:test", None, None),
        ("mine.npz", None, None),
        ("mine:train", None, None),
    ],
)
def test_what_is_evaluated_is_left_out(
    name: str, exclude: str | None, evaluation: str | None, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    real = steps.quantized
    monkeypatch.setattr(steps, "quantized", lambda *a, data, **k: seen.append(data) or real(*a, data=data, **k))
    models.quantize(classifier(), name, exclude=exclude, calibration_size=4, seed=1)
    assert asked == [name] + ([evaluation] if evaluation else [])
    (data,) = seen
    assert (data.size, data.seed, data.preprocessing) == (4, 1, None)
    assert (data.evaluation is None) == (evaluation is None)
    assert dataclasses.is_dataclass(data)

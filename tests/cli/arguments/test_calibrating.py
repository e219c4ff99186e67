"""Training images: the test split of named data is left out unless others are named."""

from __future__ import annotations

from typing import Any

import pytest

from compress_onnx import data
from compress_onnx.cli.arguments.calibrating import CalibrationFlags, TrainingImages
from compress_onnx.cli.arguments.preprocessing import PreprocessingFlags
from compress_onnx.runtime import cpu_target

NONE = PreprocessingFlags()


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names instead of images; the list fills with what is loaded."""
    names: list[str] = []
    monkeypatch.setattr(data, "load_data", lambda name: names.append(name) or name, raising=False)
    return names


@pytest.mark.parametrize(
    ("name", "exclude", "evaluation"),
    [
        ("digits:train", "", "digits:test"),
        ("digits:train", "mine.npz", "mine.npz"),
        ("digits:test", "", None),
        ("mine.npz", "", None),
        ("mine:train", "", None),
    ],
)
def test_what_is_evaluated_is_left_out(
    name: str, exclude: str, evaluation: str | None, loaded: list[str], shelf: Any
) -> None:
    images = TrainingImages(data=name, exclude=exclude, size=4, seed=1).load(shelf.base, NONE)
    assert (images.training, images.evaluation) == (name, evaluation)
    assert loaded == [name] + ([evaluation] if evaluation else [])
    assert (images.size, images.seed, images.preprocessing) == (4, 1, None)


def test_flags_say_how_many_and_for_which_cpu(loaded: list[str], shelf: Any) -> None:
    flags = CalibrationFlags(calibration_size=7, seed=3, exclude="x", cpu="aarch64", preprocessing=NONE)
    images = flags.data(shelf.base, "y")
    assert (images.training, images.evaluation, images.size, images.seed) == ("y", "x", 7, 3)
    assert flags.target() == "aarch64"
    assert CalibrationFlags(preprocessing=NONE).target() == cpu_target()

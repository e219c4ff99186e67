"""Ranges over all batches, in the batch size the model takes, without a word on stdout."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper
from onnxruntime.quantization.calibrate import CalibrationDataReader, create_calibrator

from compress_onnx.compress.calibration import image_chunks
from compress_onnx.compress.calibration.calibrate import METHODS, ranges
from compress_onnx.compress.calibration.image_chunks import fitting
from compress_onnx.errors import DataError, ModelError
from compress_onnx.model.files import load_model, save_model
from compress_onnx.model.signature import signature_of
from compress_onnx.options.declared import METHOD

Images = NDArray[np.float32]


@pytest.fixture
def model_file(convnet: onnx.ModelProto, tmp_path: Path) -> Path:
    save_model(convnet, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


@pytest.fixture(scope="module")
def many() -> Images:
    """Return (50, 3, 8, 8) float32 of very different sizes: three chunks and a rest."""
    rng = np.random.default_rng(11)
    sizes = np.exp(rng.normal(0, 1, (50, 1, 1, 1)))
    return (rng.normal(size=(50, 3, 8, 8)) * sizes).astype(np.float32)


def test_every_declared_method_exists() -> None:
    assert set(METHODS) == set(METHOD.choices)


def test_minmax_is_the_extremes_over_all_batches(model_file: Path, images: Images) -> None:
    found = ranges(model_file, "input", np.split(images, 4), method="minmax", scratch=model_file.parent)
    low, high = (float(value.item()) for value in found["input"].range_value)
    assert (low, high) == (images.min(), images.max())
    assert {"input", "n1", "r1", "c2", "logits"} <= set(found.keys())


def found_ranges(model_file: Path, batches: Iterable[Images], method: str) -> dict[str, tuple[float, float]]:
    """Return the ranges as the quantizer asks for them: batches cut to the model, then measured."""
    expected = signature_of(load_model(model_file))
    found = ranges(
        model_file, expected.input_name, fitting(batches, expected), method=method, scratch=model_file.parent
    )
    return {name: (tensor.lowest.item(), tensor.highest.item()) for name, tensor in found.items()}


class Reader(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime ships no types
    """All images at once, as ``quantize_static`` is often given them."""

    def __init__(self, images: Images) -> None:
        self._feeds = iter([{"input": images}])

    def get_next(self) -> dict[str, Images] | None:
        return next(self._feeds, None)


@pytest.mark.parametrize("method", METHOD.choices)
def test_ranges_are_those_of_quantize_static_on_all_images_at_once(
    model_file: Path, many: Images, method: str, capfd: pytest.CaptureFixture[str]
) -> None:
    calibrator = create_calibrator(
        model_file, augmented_model_path=str(model_file.parent / "own.onnx"), calibrate_method=METHODS[method]
    )
    calibrator.collect_data(Reader(many))
    own = calibrator.compute_data()
    ours = found_ranges(model_file, [many], method)
    assert set(ours) == set(own.keys())
    # One bin of the percentile's 2,048; the other methods differ by float rounding only.
    bins = 1 / 2048 if method == "percentile" else 1e-5
    for name, tensor in own.items():
        low, high = (float(np.asarray(value).item()) for value in tensor.range_value)
        assert ours[name] == pytest.approx((low, high), abs=bins * max(-low, high) + 1e-6)


@pytest.mark.parametrize("method", METHOD.choices)
def test_ranges_do_not_depend_on_the_batches_that_come_in(model_file: Path, many: Images, method: str) -> None:
    whole = found_ranges(model_file, [many], method)
    for size in (1, 7, 16, 64):
        pieces = [many[start : start + size] for start in range(0, len(many), size)]
        assert found_ranges(model_file, iter(pieces), method) == whole


@pytest.mark.parametrize("method", METHOD.choices)
def test_ranges_do_not_depend_on_the_size_of_the_chunks(
    model_file: Path, many: Images, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = found_ranges(model_file, [many], method)
    for size in (3, 16, len(many)):
        monkeypatch.setattr(image_chunks, "CHUNK", size)
        assert found_ranges(model_file, [many], method) == whole


@pytest.mark.parametrize("method", METHOD.choices)
def test_ranges_do_not_depend_on_the_order_of_the_images(model_file: Path, many: Images, method: str) -> None:
    # Small values first, and last: bins laid over the first chunk would stretch, or not.
    rising = many[np.argsort(np.abs(many).max(axis=(1, 2, 3)))]
    assert found_ranges(model_file, [rising], method) == found_ranges(model_file, [rising[::-1]], method)


def test_nothing_is_kept_of_the_images(model_file: Path, many: Images) -> None:
    given: list[weakref.ref[Images]] = []
    alive = []

    def batches() -> Iterator[Images]:
        for _ in range(30):
            batch = many.copy()
            given.append(weakref.ref(batch))
            alive.append(sum(known() is not None for known in given))
            yield batch

    found_ranges(model_file, batches(), "percentile")
    assert max(alive) <= 3


@pytest.mark.parametrize("method", METHOD.choices)
def test_every_method_gives_finite_ranges_silently(
    model_file: Path, images: Images, method: str, capfd: pytest.CaptureFixture[str]
) -> None:
    found = ranges(model_file, "input", [images[:8], images[8:]], method=method, scratch=model_file.parent)
    for tensor in found.values():
        low, high = (float(np.asarray(value).item()) for value in tensor.range_value)
        assert low <= high
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("method", METHOD.choices)
@pytest.mark.parametrize("batches", [[], [np.zeros((0, 3, 8, 8), np.float32)] * 2])
def test_no_images_are_refused(model_file: Path, method: str, batches: list[Images]) -> None:
    with pytest.raises(DataError, match="at least one calibration image, got none"):
        ranges(model_file, "input", batches, method=method, scratch=model_file.parent)


def test_an_empty_batch_among_others_is_passed_over(model_file: Path, images: Images) -> None:
    batches = [images[:0], images, images[:0]]
    found = ranges(model_file, "input", batches, method="minmax", scratch=model_file.parent)
    assert float(found["input"].range_value[1].item()) == images.max()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_inputs_that_are_no_numbers_are_refused(model_file: Path, images: Images, bad: float) -> None:
    broken = images.copy()
    broken[7, 2, 3, 3] = bad
    with pytest.raises(DataError, match="finite calibration inputs, got NaN or infinity"):
        ranges(model_file, "input", [images, broken], method="minmax", scratch=model_file.parent)


@pytest.mark.parametrize("method", METHOD.choices)
def test_activations_that_overflow_are_refused(model_file: Path, images: Images, method: str) -> None:
    huge = np.sign(images) * np.float32(3e38)
    with pytest.raises(ModelError, match=r"(finite activations|activations that have a range), got .*calibration"):
        ranges(model_file, "input", [huge], method=method, scratch=model_file.parent)


def test_a_model_that_cannot_run_the_batch_is_said_in_one_sentence(
    make_model: Callable[..., onnx.ModelProto], tmp_path: Path, images: Images
) -> None:
    nodes = [helper.make_node("Reshape", ["input", "two"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["logits"])]
    model = make_model(nodes, {"two": np.array([2, 192]), "w": np.ones((192, 5), np.float32)})
    save_model(model, tmp_path / "two.onnx")
    with pytest.raises(ModelError, match="a model that runs on the calibration images") as caught:
        ranges(tmp_path / "two.onnx", "input", [images], method="minmax", scratch=tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", METHOD.choices)
def test_nan_in_a_late_chunk_is_not_dropped(
    make_model: Callable[..., onnx.ModelProto], tmp_path: Path, method: str
) -> None:
    nodes = [
        helper.make_node("Sqrt", ["input"], ["root"]),
        helper.make_node("GlobalAveragePool", ["root"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["logits"]),
    ]
    save_model(make_model(nodes, {"w": np.ones((3, 5), np.float32)}), tmp_path / "root.onnx")
    good, bad = np.ones((16, 3, 8, 8), np.float32), np.ones((16, 3, 8, 8), np.float32)
    bad[9, 1, 2, 3] = -1
    with pytest.raises(ModelError, match="finite activations, got NaN or infinity in"):
        found_ranges(tmp_path / "root.onnx", [good, bad, good], method)

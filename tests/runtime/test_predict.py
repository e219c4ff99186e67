from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compress_onnx.errors import DataError, ModelError, OptionError
from compress_onnx.model.identity import model_identity
from compress_onnx.ort import batches as batching
from compress_onnx.ort.session import open_session
from compress_onnx.runtime import predict as predict_module
from compress_onnx.runtime.predict import Samples, logits_of, predict, predict_file_logits

Edited = Callable[[Callable[[onnx.ModelProto], None]], Path]


def samples(images: NDArray[np.float32]) -> Samples:
    n = len(images)
    return Samples(
        inputs=lambda start, stop: images[start:stop],
        ids=np.array([f"image{i}" for i in range(n)], dtype=np.str_),
        labels=np.arange(n, dtype=np.int64) % 5,
        sha256="d" * 64,
    )


def one_by_one(path: Path, images: NDArray[np.float32], shown: int = 1) -> NDArray[np.float32]:
    """A plain loop, without this package: every image alone (or repeated to fill a fixed batch)."""
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    rows = [session.run(None, {"input": np.repeat(image[None], shown, axis=0)})[0][0] for image in images]
    return np.stack(rows)


def test_predictions_carry_the_identity_of_all_that_was_loaded(
    fp32: Path, images: NDArray[np.float32], scattered: Callable[..., object], tmp_path: Path
) -> None:
    scattered(onnx.load(fp32), tmp_path / "m.onnx")
    found, alone = predict(tmp_path / "m.onnx", samples(images)), predict(fp32, samples(images))
    assert found.artifact_sha256 == model_identity(tmp_path / "m.onnx") != alone.artifact_sha256
    np.testing.assert_array_equal(found.logits, alone.logits)


@pytest.mark.parametrize("n", [1, 2, 17, 23])
@pytest.mark.parametrize("threads", [1, 3, None])
def test_logits_equal_a_plain_loop(fp32: Path, images: NDArray[np.float32], n: int, threads: int | None) -> None:
    found = predict(fp32, samples(images[:n]), threads=threads)
    np.testing.assert_allclose(found.logits, one_by_one(fp32, images[:n]), atol=1e-5)
    assert found.logits.dtype == np.float32


@pytest.mark.parametrize("n", [1, 4, 10, 21, 23])
def test_fixed_batch_is_filled_up_and_cut_again(fixed4: Path, images: NDArray[np.float32], n: int) -> None:
    found = predict_file_logits(fixed4, samples(images[:n]))
    np.testing.assert_allclose(found.logits, one_by_one(fixed4, images[:n], shown=4), atol=1e-5)
    assert found.batch == 4


def test_the_number_of_threads_changes_no_bit(fp32: Path, u8s8: Path, images: NDArray[np.float32]) -> None:
    many = np.concatenate([images] * 9)
    for path in (fp32, u8s8):
        one, several = (predict(path, samples(many), threads=threads).logits for threads in (1, 4))
        np.testing.assert_array_equal(one, several)


def test_the_probe_changes_no_bit(
    fp32: Path,
    u8s8: Path,
    images: NDArray[np.float32],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whichever batch the clock favors: the answers are those of the usual one."""
    many = samples(np.concatenate([images] * 9))
    usual = {path: predict_file_logits(path, many) for path in (fp32, u8s8)}
    monkeypatch.setattr(predict_module, "_PROBED_FROM", 32)
    for size in batching.BATCHES:
        monkeypatch.setattr(batching, "chosen_batch", lambda *_, size=size: size)
        for path in (fp32, u8s8):
            found = predict_file_logits(path, many)
            assert found.batch == size
            np.testing.assert_array_equal(found.logits, usual[path].logits)


def test_threads_out_of_bounds_are_refused(fp32: Path, images: NDArray[np.float32]) -> None:
    with pytest.raises(OptionError, match="threads at least 1"):
        predict(fp32, samples(images), threads=0)


def test_record_names_model_data_and_cpu(fp32: Path, images: NDArray[np.float32]) -> None:
    given_samples = samples(images)
    found = predict(fp32, given_samples)
    assert found.artifact_sha256 == hashlib.sha256(fp32.read_bytes()).hexdigest()
    assert found.dataset_sha256 == given_samples.sha256
    assert found.sample_ids.tolist() == given_samples.ids.tolist()
    np.testing.assert_array_equal(found.labels, given_samples.labels)
    assert found.cpu


def test_progress_rises_to_one(fp32: Path, images: NDArray[np.float32]) -> None:
    told: list[float] = []
    predict(fp32, samples(images), progress=lambda fraction, _: told.append(fraction))
    assert told == [16 / 23, 1.0]


def test_no_batches_give_no_rows_but_the_class_count(fp32: Path, images: NDArray[np.float32]) -> None:
    session = open_session(fp32)
    assert logits_of(session, []).shape == (0, 5)
    assert logits_of(session, [images[:0], images[:2]]).shape == (2, 5)


def test_batches_may_come_from_a_generator(fp32: Path, images: NDArray[np.float32]) -> None:
    session = open_session(fp32)
    np.testing.assert_array_equal(logits_of(session, (images for _ in range(1))), logits_of(session, [images]))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_refused(edited: Edited, images: NDArray[np.float32], value: float) -> None:
    def break_bias(model: onnx.ModelProto) -> None:
        model.graph.initializer[5].CopyFrom(numpy_helper.from_array(np.full(5, value, np.float32), "b3"))

    with pytest.raises(ModelError, match=r"finite logits, got NaN or infinity for 4 of 4 images.*edited\.onnx"):
        predict(edited(break_bias), samples(images[:4]))


def test_feature_maps_are_no_classification_output(edited: Edited, images: NDArray[np.float32]) -> None:
    def end_early(model: onnx.ModelProto) -> None:
        output = helper.make_tensor_value_info("r2", onnx.TensorProto.FLOAT, ["batch", 16, 8, 8])
        model.graph.output[0].CopyFrom(output)

    with pytest.raises(ModelError, match=r"\(N, C\) in floating point, got 'r2' of shape \(2, 16, 8, 8\) for 2 images"):
        predict(edited(end_early), samples(images[:2]))


def test_class_indices_are_no_classification_output(edited: Edited, images: NDArray[np.float32]) -> None:
    def argmax(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node("ArgMax", ["logits"], ["top"], axis=1))
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info("top", onnx.TensorProto.INT64, ["batch", 1]))

    with pytest.raises(ModelError, match=r"'top' of type tensor\(int64\)"):
        predict(edited(argmax), samples(images[:2]))


def test_answers_for_other_images_than_asked_are_refused(edited: Edited, images: NDArray[np.float32]) -> None:
    def halve(model: onnx.ModelProto) -> None:
        model.graph.node[-1].output[0] = "all"
        model.graph.initializer.append(numpy_helper.from_array(np.array([-1, 10]), "shape"))
        model.graph.node.append(helper.make_node("Reshape", ["all", "shape"], ["logits"]))
        del model.graph.output[0].type.tensor_type.shape.dim[:]
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, None))

    with pytest.raises(ModelError, match=r"'logits' of shape \(1, 10\) for 2 images"):
        predict(edited(halve), samples(images[:2]))


def test_images_of_another_size_are_a_model_error(fp32: Path, images: NDArray[np.float32]) -> None:
    with pytest.raises(ModelError, match=r"invalid dimensions.*Got: 4 Expected: 8"):
        predict(fp32, samples(images[:, :, :4]))


def test_ids_and_images_must_agree_in_number(fp32: Path, images: NDArray[np.float32]) -> None:
    short = samples(images[:4])
    wrong = dataclasses.replace(short, inputs=lambda start, stop: images[start : stop - 1])
    with pytest.raises(DataError, match="as many images as ids, got 0 images for rows 0 to 0"):
        predict(fp32, wrong)
    with pytest.raises(DataError, match="got 4 ids and 3 labels"):
        predict(fp32, dataclasses.replace(short, labels=np.arange(3)))


def test_labels_may_be_absent(fp32: Path, images: NDArray[np.float32]) -> None:
    assert predict(fp32, dataclasses.replace(samples(images), labels=None)).labels is None


def test_no_images_give_no_rows(fp32: Path, images: NDArray[np.float32]) -> None:
    assert predict(fp32, samples(images[:0])).logits.shape == (0, 5)

"""A whole comparison on hand-made models: against counts made by hand, and twice the same."""

from __future__ import annotations

import dataclasses
import json
import tracemalloc
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnxruntime.quantization import QuantType, quantize_dynamic

from compress_onnx.comparison.calibration import calibration_info
from compress_onnx.comparison.job import Job
from compress_onnx.comparison.models import named_models
from compress_onnx.comparison.options import CompareOptions
from compress_onnx.comparison.stages import compare_models
from compress_onnx.data.images import ImageSet
from compress_onnx.data.splits import CalibrationManifest, choose_calibration
from compress_onnx.errors import DataError, ModelError, OptionError
from compress_onnx.files import sha256_of_file
from compress_onnx.model.metadata import Embedded
from compress_onnx.records.artifacts import Preprocessing
from compress_onnx.records.run import RunRecord
from compress_onnx.runtime.bench.latency import LatencyPlan
from compress_onnx.store.predictions import load_predictions
from compress_onnx.store.run import load_run, without_times
from compress_onnx.store.samples import load_pictures, load_samples

Compare = Callable[..., RunRecord]
PREPROCESSING = Preprocessing(height=6, width=6, mean=(0.5,) * 3, std=(0.5,) * 3)


@pytest.fixture
def compare(tmp_path: Path, started: datetime) -> Compare:
    def run(
        paths: list[Path],
        images: ImageSet,
        folder: str = "run",
        manifests: tuple[CalibrationManifest, ...] = (),
        **changes: Any,
    ) -> RunRecord:
        options = CompareOptions(**changes)
        job = Job(
            models=named_models(paths),
            images=images,
            options=options,
            folder=tmp_path / folder,
            command=("compress-onnx", "compare"),
            started_at=started,
            manifests=manifests,
        )
        return compare_models(job)

    return run


def test_no_picture_that_calibrated_is_evaluated(compare: Compare, make_classifier: Any, make_images: Any) -> None:
    models = [make_classifier("base"), make_classifier("other", noise=0.3)]
    manifest = choose_calibration(make_images(seed=1), 30, seed=0)
    record = compare(models, make_images(seed=2), manifests=(manifest,))
    assert record.calibration == calibration_info(manifest)
    with pytest.raises(DataError, match="got 30 in both"):
        compare(models, make_images(seed=1), "again", manifests=(manifest,))


def test_flips_and_accuracy_are_what_counting_says(
    compare: Compare, make_classifier: Any, make_images: Any, tmp_path: Path
) -> None:
    images = make_images()
    record = compare([make_classifier("base"), make_classifier("other", noise=0.3)], images)
    before, after = (
        load_predictions(tmp_path / "run" / "predictions" / f"{name}.npz").logits.argmax(axis=1)
        for name in ("base", "other")
    )
    (found,) = record.comparisons
    assert found.flips.flips == np.sum(before != after) > 0
    assert found.flips.negative == np.sum((before == images.labels) & (after != images.labels))
    assert found.flips.positive == np.sum((before != images.labels) & (after == images.labels))
    assert found.accuracy.change.value == pytest.approx(
        np.mean(after == images.labels) - np.mean(before == images.labels)
    )
    assert [result.support for result in found.classes] == [30, 30, 30]
    assert found.extra["jensen_shannon"].value is not None


def test_the_folder_holds_what_the_record_says(
    compare: Compare, make_classifier: Any, make_images: Any, tmp_path: Path
) -> None:
    paths = [make_classifier("base"), make_classifier("one", noise=0.3), make_classifier("two", noise=0.6)]
    record = compare(paths, make_images(), pictures=4)
    assert load_run(tmp_path / "run") == record
    assert [artifact.sha256 for artifact in record.artifacts] == [sha256_of_file(path) for path in paths]
    assert {comparison.baseline_sha256 for comparison in record.comparisons} == {record.artifacts[0].sha256}
    samples = load_samples(tmp_path / "run")
    assert samples is not None
    assert len(samples["sample_id"]) == 2 * 90
    for comparison in record.comparisons:
        kinds = samples["flip_kind"][samples["candidate"] == comparison.candidate_name]
        assert comparison.flips.flips == np.sum(kinds != "same")
    shown = {sample for sample, _ in load_pictures(tmp_path / "run")}
    assert 0 < len(shown) <= 8
    assert shown <= set(samples["sample_id"][samples["flip_kind"] != "same"])


def test_a_model_against_itself_has_nothing_to_show(
    compare: Compare, make_classifier: Any, make_images: Any, tmp_path: Path
) -> None:
    record = compare([make_classifier("base"), make_classifier("same")], make_images())
    (found,) = record.comparisons
    assert (found.flips.flips, found.flips.rate.value, found.accuracy.change.value) == (0, 0.0, 0.0)
    assert load_pictures(tmp_path / "run") == {}


def test_unlabeled_pictures_still_count_flips(
    compare: Compare, make_classifier: Any, make_images: Any, tmp_path: Path
) -> None:
    record = compare([make_classifier("base"), make_classifier("other", noise=0.3)], make_images(labeled=False))
    (found,) = record.comparisons
    assert found.flips.flips > 0
    assert found.flips.rate.value == found.flips.flips / 90
    assert found.flips.negative is found.flips.positive is found.flips.lateral is None
    assert found.accuracy.baseline.value is None
    assert found.accuracy.baseline.undefined_reason
    assert load_run(tmp_path / "run") == record


def test_running_twice_gives_the_same_record_but_for_time(
    compare: Compare, make_classifier: Any, make_images: Any, tmp_path: Path, started: datetime
) -> None:
    paths, images = [make_classifier("base"), make_classifier("other", noise=0.3)], make_images()
    plan = LatencyPlan(rounds=2, calls=3)
    first = compare(paths, images, latency=plan)
    second = dataclasses.replace(
        compare(paths, images, latency=plan), started_at=(started + timedelta(hours=1)).isoformat()
    )
    assert first != second
    assert without_times(first) == without_times(second)


def test_two_folders_hold_the_same_samples(
    compare: Compare, make_classifier: Any, make_images: Any, tmp_path: Path
) -> None:
    paths, images = [make_classifier("base"), make_classifier("other", noise=0.3)], make_images()
    compare(paths, images, "one")
    compare(paths, images, "two")
    assert without_times(load_run(tmp_path / "one")) == without_times(load_run(tmp_path / "two"))
    for name in ("samples.parquet", "pictures.parquet", "predictions/base.npz", "predictions/other.npz"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_latency_is_kept_raw(compare: Compare, make_classifier: Any, make_images: Any) -> None:
    plan = LatencyPlan(rounds=2, calls=3)
    (found,) = compare([make_classifier("base"), make_classifier("other")], make_images(), latency=plan).comparisons
    assert found.latency is not None
    assert len(found.latency.baseline.values_ms) == len(found.latency.candidate.values_ms) == 6


def test_options_stand_in_the_record(compare: Compare, make_classifier: Any, make_images: Any) -> None:
    record = compare([make_classifier("base"), make_classifier("other")], make_images(), seed=7, pictures=2)
    assert (record.config["seed"], record.config["pictures"], record.config["latency_rounds"]) == (7, 2, None)
    assert json.dumps(record.config)


def test_one_model_is_no_comparison(compare: Compare, make_classifier: Any, make_images: Any) -> None:
    with pytest.raises(OptionError, match="a baseline and at least one candidate, got 1 model"):
        compare([make_classifier("base")], make_images())


def test_nothing_is_written_when_a_candidate_cannot_be_run(
    compare: Compare, make_classifier: Any, make_images: Any, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="finite logits"):
        compare([make_classifier("base"), make_classifier("broken", noise=float("inf"))], make_images())
    assert not (tmp_path / "run").exists()


def test_data_without_the_models_classes_is_refused(compare: Compare, make_classifier: Any, make_images: Any) -> None:
    with pytest.raises(DataError, match="4 classes"):
        compare([make_classifier("a"), make_classifier("b")], make_images(names=("w", "x", "y", "z")))


def test_models_may_be_fed_differently(compare: Compare, make_classifier: Any, make_images: Any) -> None:
    brighter = Preprocessing(height=6, width=6, mean=(0.4,) * 3, std=(0.5,) * 3)
    other = make_classifier("other", embedded=Embedded(preprocessing=brighter))
    (found,) = compare([make_classifier("base"), other], make_images()).comparisons
    assert found.flips.flips == 0
    assert found.confidence.mean_candidate.value is not None


def test_models_of_another_input_size_are_compared_but_not_timed(
    compare: Compare, make_classifier: Any, make_images: Any
) -> None:
    plan = LatencyPlan(rounds=2, calls=3)
    paths = [make_classifier("base"), make_classifier("larger", side=9), make_classifier("other", noise=0.1)]
    record = compare(paths, make_images(), latency=plan)
    larger, other = record.comparisons
    assert larger.latency is None
    assert other.latency is not None
    assert larger.flips.n == 90
    assert record.artifacts[1].warnings == (
        "It takes inputs of 3 x 9 x 9, the baseline of 3 x 6 x 6: the two are not timed together.",
    )
    assert compare(paths[:2], make_images(), latency=plan).comparisons[0].latency is None


def test_fixed_and_free_batches_other_sizes_and_layouts_stand_together(
    compare: Compare, make_classifier: Any, make_images: Any
) -> None:
    paths = [make_classifier("base"), make_classifier("fixed", batch=4), make_classifier("larger", side=9, batch=7)]
    record = compare(paths, make_images(n=31))
    assert [run.batch for run in record.predicted] == [16, 4, 7]
    assert record.comparisons[0].flips.flips == 0


def test_a_second_comparison_finds_the_predictions(
    compare: Compare, make_classifier: Any, make_images: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    paths, images = [make_classifier("base"), make_classifier("other", noise=0.3)], make_images()

    def never(row: int) -> Any:
        raise AssertionError(row)

    fresh = compare(paths, images, "fresh", pictures=0)
    again = compare(paths, dataclasses.replace(images, read=never), "again", pictures=0)
    uncached = compare(paths, images, "uncached", pictures=0, cache=False)
    assert [[run.batch for run in record.predicted] for record in (fresh, again, uncached)] == [
        [16, 16],
        [None, None],
        [16, 16],
    ]
    assert without_times(fresh) == without_times(again) == without_times(uncached)
    for name in ("samples.parquet", "predictions/base.npz", "predictions/other.npz"):
        assert len({(tmp_path / run / name).read_bytes() for run in ("fresh", "again", "uncached")}) == 1


@pytest.fixture
def pair(make_classifier: Any, tmp_path: Path) -> tuple[Path, Path]:
    """Two files: each image for itself, and dynamically quantized."""
    quantize_dynamic(make_classifier("float", noise=0.1), tmp_path / "dynamic.onnx", weight_type=QuantType.QUInt8)
    return make_classifier("base"), tmp_path / "dynamic.onnx"


def bare(path: Path, images: ImageSet, batch: int) -> np.ndarray[Any, Any]:
    """Return what ONNX Runtime itself answers, so many images at a time."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    calls = images.batches(PREPROCESSING, batch)
    return np.concatenate([session.run(None, {"images": call})[0] for call in calls])


@pytest.mark.parametrize("batch", [1, 5])
def test_answers_that_depend_on_the_call_are_those_of_single_images(
    compare: Compare, pair: tuple[Path, Path], make_images: Any, tmp_path: Path, batch: int
) -> None:
    """Baseline and candidate alike, fresh and from the cache."""
    (base, dynamic), images = pair, make_images(n=400)
    expected = {path: bare(path, images, batch if path == dynamic else 16) for path in (base, dynamic)}
    for paths in ([base, dynamic], [dynamic, base]):
        for number in range(2):
            record = compare(paths, images, f"{paths[0].stem}{number}", batch=batch)
            for path in paths:
                logits = load_predictions(tmp_path / f"{paths[0].stem}{number}/predictions/{path.stem}.npz").logits
                np.testing.assert_array_equal(logits, expected[path])
            flips = np.sum(expected[base].argmax(axis=1) != expected[dynamic].argmax(axis=1))
            assert record.comparisons[0].flips.flips == flips
            (found,) = (run.independence for run in record.predicted if run.name == "dynamic")
            assert found is not None
            assert (found.independent, found.predicted_batch, found.compared) == (False, batch, 400)
            usual = bare(dynamic, images, 16)
            assert found.changed == np.sum(usual.argmax(axis=1) != expected[dynamic].argmax(axis=1))
            assert found.largest_difference == np.abs(usual.astype(np.float64) - expected[dynamic]).max() > 0


def test_what_was_kept_in_batches_is_not_believed(
    compare: Compare, pair: tuple[Path, Path], make_images: Any, tmp_path: Path
) -> None:
    dynamic, images = pair[1], make_images(n=60)
    for batch in (16, 1, 16):
        compare(list(pair), images, f"run{batch}", batch=batch)
        logits = load_predictions(tmp_path / f"run{batch}" / "predictions" / "dynamic.npz").logits
        np.testing.assert_array_equal(logits, bare(dynamic, images, batch))


def test_every_random_choice_is_the_seeds(compare: Compare, make_classifier: Any, make_images: Any) -> None:
    paths = [make_classifier("base"), make_classifier("other", noise=0.3)]
    one, same, other = (compare(paths, make_images(), cache=False, seed=seed) for seed in (1, 1, 2))
    assert without_times(one) == without_times(same)
    (first,), (second,) = one.comparisons, other.comparisons
    assert first.flips == second.flips
    assert first.uncertainty != second.uncertainty
    assert first.class_pattern != second.class_pattern


def test_numbered_classes_are_as_many_as_the_models(compare: Compare, make_classifier: Any, make_images: Any) -> None:
    record = compare([make_classifier("base"), make_classifier("other", noise=0.3)], make_images(n=1, names=("0",)))
    assert record.dataset.class_names == ("0", "1", "2")
    assert [result.class_name for result in record.comparisons[0].classes] == ["0", "1", "2"]


def test_threads_asked_for_are_used(compare: Compare, make_classifier: Any, make_images: Any) -> None:
    paths, images = [make_classifier("base"), make_classifier("other", noise=0.3)], make_images()
    one, three = (compare(paths, images, threads=threads, cache=False) for threads in (1, 3))
    assert ([run.threads for run in one.predicted], [run.threads for run in three.predicted]) == ([1, 1], [3, 3])
    assert (one.config["threads"], three.config["threads"]) == (1, 3)
    assert one.comparisons == three.comparisons


@pytest.mark.parametrize("labeled", [True, False])
def test_a_single_picture_can_be_compared(
    compare: Compare, make_classifier: Any, make_images: Any, tmp_path: Path, *, labeled: bool
) -> None:
    record = compare([make_classifier("base"), make_classifier("other", noise=0.3)], make_images(n=1, labeled=labeled))
    (found,) = record.comparisons
    assert found.flips.n == 1
    assert found.flips.rate.interval is not None
    assert load_run(tmp_path / "run") == record


@pytest.mark.parametrize("names", [("w", "x"), ("green", "red", "blue")])
def test_a_refused_comparison_leaves_nothing(
    compare: Compare, make_classifier: Any, make_images: Any, tmp_path: Path, names: tuple[str, ...]
) -> None:
    moved = make_classifier("moved", embedded=Embedded(preprocessing=PREPROCESSING, class_names=names))
    with pytest.raises(DataError):
        compare([make_classifier("a"), moved, make_classifier("more", classes=4)], make_images(labeled=False))
    assert not (tmp_path / "run").exists()


def test_memory_does_not_grow_with_the_number_of_candidates(
    compare: Compare, make_classifier: Any, make_images: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where logits have no room, five more candidates take what their rows take, 150 bytes each."""
    monkeypatch.setattr("compress_onnx.comparison.stages.IN_MEMORY_BYTES", 0)
    images = make_images(n=2_000, labeled=False)
    paths = [
        make_classifier(name, noise=0.3 + 0.1 * place, classes=40) for place, name in enumerate(["base", *"abcdef"])
    ]

    def peak(models: int) -> int:
        tracemalloc.start()
        try:
            compare(paths[:models], images, str(models), cache=False, pictures=5)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(2)
    one, six = peak(2), peak(7)
    logits = 2_000 * 40 * 4
    assert one > 4 * logits
    assert six - one < 5 * 2_000 * 150

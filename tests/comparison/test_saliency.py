"""The saliency stage on hand-made models: what is counted, what is shown, what is written."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("captum")

from compress_onnx.comparison.job import Job
from compress_onnx.comparison.models import named_models
from compress_onnx.comparison.options import CompareOptions
from compress_onnx.comparison.reports import write_report
from compress_onnx.comparison.saliency import OTHER_INPUTS, explained_rows
from compress_onnx.comparison.stages import compare_models
from compress_onnx.extension_points import attributions
from compress_onnx.gate.measured import measures
from compress_onnx.model.metadata import Embedded
from compress_onnx.records.artifacts import Preprocessing
from compress_onnx.store.run import load_run
from compress_onnx.store.saliency import load_saliency_maps
from compress_onnx.store.samples import load_samples

if "gradient" not in attributions():
    pytest.skip("the package is not installed, so it has no entry points", allow_module_level=True)


@pytest.fixture
def compare(tmp_path: Path, started: datetime) -> Any:
    def run(paths: list[Path], images: Any, folder: str = "run", **options: Any) -> Any:
        return compare_models(
            Job(
                models=named_models(paths),
                images=images,
                options=CompareOptions(saliency="gradient", **options),
                folder=tmp_path / folder,
                command=("compress-onnx", "compare"),
                started_at=started,
            )
        )

    return run


def test_the_chosen_rows_are_a_seeded_sample() -> None:
    rows = explained_rows(100, 10, seed=3)
    assert len(set(rows.tolist())) == 10
    assert rows.tolist() == sorted(rows.tolist()) == explained_rows(100, 10, seed=3).tolist()
    assert rows.tolist() != explained_rows(100, 10, seed=4).tolist()


def test_counted_and_shown_samples_have_a_deviation_and_only_counted_ones_count(
    compare: Any, make_classifier: Any, make_images: Any, tmp_path: Path
) -> None:
    record = compare([make_classifier("base"), make_classifier("other", noise=0.6)], make_images(), saliency_samples=20)
    (found,) = record.comparisons
    samples = load_samples(tmp_path / "run")
    assert samples is not None
    known = np.isfinite(samples["saliency_deviation"])
    flipped = samples["flip_kind"] != "same"
    counted = np.zeros(90, dtype=bool)
    counted[explained_rows(90, 20, seed=0)] = True
    assert np.array_equal(known, counted | flipped)
    assert found.saliency.n == found.saliency.over_all.n == 20
    assert found.saliency.over_flipped.n == np.sum(counted & flipped)
    deviation = samples["saliency_deviation"][counted].mean()
    assert found.saliency.over_all.mean_absolute_deviation.value == pytest.approx(deviation, rel=1e-5)


def test_more_samples_than_images_are_all_images(compare: Any, make_classifier: Any, make_images: Any) -> None:
    (found,) = compare(
        [make_classifier("base"), make_classifier("other", noise=0.3)], make_images(40), saliency_samples=999
    ).comparisons
    assert found.saliency.n == 40


def test_maps_are_written_and_shown(compare: Any, make_classifier: Any, make_images: Any, tmp_path: Path) -> None:
    compare([make_classifier("base"), make_classifier("other", noise=0.6)], make_images(), saliency_samples=50)
    maps = load_saliency_maps(tmp_path / "run", "other")
    assert maps is not None
    assert maps.mean_difference.shape == maps.significant.shape == (6, 6)
    assert maps.example_pixels.shape == (2, 6, 6, 3)
    assert maps.example_deviation[0] <= maps.example_deviation[1]
    page = write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert "Mean maps over all explained pictures" in page
    assert f"Largest deviation: {maps.example_ids[1]}" in page


def test_a_candidates_figures_do_not_depend_on_the_others(compare: Any, make_classifier: Any, make_images: Any) -> None:
    images = make_images()
    base, one, two = make_classifier("base"), make_classifier("one", noise=0.4), make_classifier("two", noise=0.8)
    together = compare([base, one, two], images, "together", saliency_samples=40).comparisons
    alone = compare([base, two], images, "alone", saliency_samples=40).comparisons
    assert together[1].saliency == alone[0].saliency


def test_measures_have_names_for_rules(compare: Any, make_classifier: Any, make_images: Any) -> None:
    (found,) = compare([make_classifier("base"), make_classifier("other", noise=0.6)], make_images()).comparisons
    names = measures(found)
    assert {
        "saliency.over_all.mean_absolute_deviation",
        "saliency.over_all.cosine",
        "saliency.scale_position",
        "saliency.scale.ssim",
        "saliency.floor.spearman",
        "saliency.ceiling.spearman",
        "saliency.systematic.effect",
        "saliency.systematic.significant_fraction",
    } <= names.keys()
    assert names["saliency.systematic.explained"].value is not None


def test_a_candidate_fed_otherwise_gets_a_reason_and_the_next_one_figures(
    compare: Any, make_classifier: Any, make_images: Any, tmp_path: Path
) -> None:
    brighter = Preprocessing(height=6, width=6, mean=(0.4,) * 3, std=(0.5,) * 3)
    other = make_classifier("other", embedded=Embedded(preprocessing=brighter))
    record = compare([make_classifier("base"), other, make_classifier("next", noise=0.4)], make_images())
    first, second = record.comparisons
    assert first.saliency.undefined_reason == OTHER_INPUTS
    assert measures(first)["saliency.scale_position"].undefined_reason == OTHER_INPUTS
    assert second.saliency.over_all.n == 90
    assert load_run(tmp_path / "run") == record
    assert load_saliency_maps(tmp_path / "run", "other") is None
    assert OTHER_INPUTS in write_report(tmp_path / "run").read_text(encoding="utf-8")


def test_classes_go_by_label_where_there_are_labels(compare: Any, make_classifier: Any, make_images: Any) -> None:
    paths = [make_classifier("base"), make_classifier("other", noise=0.4)]
    (labeled,) = compare(paths, make_images(), "labeled").comparisons
    (unlabeled,) = compare(paths, make_images(labeled=False), "unlabeled").comparisons
    assert [(one.class_name, one.n) for one in labeled.saliency.systematic.classes] == [
        ("red", 30),
        ("green", 30),
        ("blue", 30),
    ]
    assert sum(one.n for one in unlabeled.saliency.systematic.classes) == 90


def test_no_picture_shown_is_fine(compare: Any, make_classifier: Any, make_images: Any) -> None:
    paths, images = [make_classifier("base"), make_classifier("other", noise=0.4)], make_images()
    shown, hidden = (compare(paths, images, str(n), pictures=n).comparisons[0].saliency for n in (300, 0))
    assert dataclasses.asdict(shown) == dataclasses.asdict(hidden)

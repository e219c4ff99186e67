"""The summary of a study says what the cells' own records say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from compress_onnx.records.study import StudyRecord
from compress_onnx.store import load_run

RunStudy = Callable[..., StudyRecord]


def test_the_summary_says_what_the_cells_say(study: RunStudy, tmp_path: Path) -> None:
    (cell,) = study(seeds=[7]).cells
    run = load_run(tmp_path / "out" / cell.name)
    (comparison,), (candidate,) = run.comparisons, cell.candidates
    assert (cell.seed, cell.dataset, cell.accuracy) == (7, run.dataset, comparison.accuracy.baseline)
    assert (candidate.recipe, candidate.name) == ("prune:0.5", "prune0.5")
    assert candidate.sha256 == run.artifacts[1].sha256
    assert (candidate.flips, candidate.accuracy_change) == (comparison.flips.rate, comparison.accuracy.change)
    worst = min(comparison.classes, key=lambda one: one.change.value or 0.0)
    assert (candidate.worst_class, candidate.worst_change) == (worst.class_name, worst.change)
    changes = comparison.confidence.change_all, comparison.confidence.change_same, comparison.confidence.change_flipped
    summed = candidate.confidence_change, candidate.confidence_change_same, candidate.confidence_change_flipped
    assert summed == changes
    assert (candidate.class_pattern, candidate.warnings) == (comparison.class_pattern, run.artifacts[1].warnings)
    assert (candidate.saliency, candidate.saliency_place, candidate.saliency_verdict) == (None,) * 3
    assert candidate.latency is None

"""What two models' outputs say: its words on disk, and changes with their sign."""

from __future__ import annotations

from compress_onnx.records.outputs import ChangedConfusion, FlipKind


def test_the_words_on_disk_stay_as_they_are() -> None:
    assert [*FlipKind] == ["same", "negative", "positive", "lateral", "unlabeled"]


def test_more_mistakes_are_a_positive_change() -> None:
    mistakes = ChangedConfusion(true_class="cat", predicted_class="dog", baseline=3, candidate=5)
    assert mistakes.change == 2

"""Saliency's verdicts stand in records."""

from __future__ import annotations

from compress_onnx.records.saliency import SaliencyGroup, SaliencyScale, ShiftVerdict


def test_the_words_on_disk_stay_as_they_are() -> None:
    assert [*ShiftVerdict] == ["systematic", "negligible", "not systematic", "undecided"]


def test_every_measure_on_the_scale_is_one_of_a_group() -> None:
    assert set(SaliencyScale.__dataclass_fields__) < set(SaliencyGroup.__dataclass_fields__)

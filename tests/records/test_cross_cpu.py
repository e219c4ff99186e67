"""Another CPU: the candidate's own numbers stand beside the baseline's, field by field."""

from __future__ import annotations

import dataclasses

from compress_onnx.records.cross_cpu import CrossCpu, CrossCpuPredictions, Need


def test_the_candidate_has_every_field_that_the_baseline_has() -> None:
    of_candidate = {field.name: field.type for field in dataclasses.fields(CrossCpu)}
    of_baseline = {field.name: field.type for field in dataclasses.fields(CrossCpuPredictions)}
    assert of_baseline.items() <= of_candidate.items()


def test_the_words_on_disk_stay_as_they_are() -> None:
    assert [*Need] == ["no", "yes", "unknown"]

"""What several sections read from a comparison."""

from __future__ import annotations

from typing import Any

from compress_onnx.report.kit.comparisons import worst_class


def test_worst_class_is_the_naive_minimum(run: Any) -> None:
    for comparison in run.record().comparisons:
        lowest = min(result.change.value for result in comparison.classes)
        assert worst_class(comparison.classes).change.value == lowest

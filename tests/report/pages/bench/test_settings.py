"""What makes a bench doubtful is said once, by the models' names."""

from __future__ import annotations

import dataclasses
from typing import Any

from compress_onnx.report.pages.bench.settings import warnings_of


def test_warnings_name_the_model_once(make_bench: Any) -> None:
    record = make_bench((1, 1), (1, 8))
    told = ("load average 9", "baseline: shaky", "candidate: shaky")
    record = dataclasses.replace(
        record, latency=tuple(dataclasses.replace(found, warnings=told) for found in record.latency)
    )
    assert warnings_of(record) == (
        "load average 9",
        "base: shaky (batch 1, 1 thread)",
        "<b>fast: shaky (batch 1, 1 thread)",
        "other: shaky (batch 1, 1 thread)",
        "base: shaky (batch 8, 1 thread)",
        "<b>fast: shaky (batch 8, 1 thread)",
        "other: shaky (batch 8, 1 thread)",
    )

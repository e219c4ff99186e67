"""Runs with chosen numbers: everything else in them is empty or undefined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from compress_onnx.metrics.statistics.measures import paired_change, proportion
from compress_onnx.metrics.statistics.paired import PairedCounts
from compress_onnx.records.artifacts import DatasetInfo, Environment, Footprint, Preprocessing
from compress_onnx.records.base import SCHEMA_VERSION, Better, Interval, Measure, undefined
from compress_onnx.records.outputs import AccuracyChange, ClassResult, ConfidenceShift, FlipSummary, Histogram
from compress_onnx.records.run import Comparison, RunRecord

NONE = undefined("not in this test", unit="fraction", better=Better.HIGHER)
CONFIDENCE = (
    *("mean_baseline", "mean_candidate", "change_all", "change_same", "change_flipped"),
    *("ece_baseline", "ece_candidate", "nll_baseline", "nll_candidate"),
)


def measure(
    value: float | None,
    low: float | None = None,
    high: float | None = None,
    *,
    n: int = 1000,
    better: Better = Better.HIGHER,
) -> Measure:
    """A fraction, with an interval where bounds are given."""
    if value is None:
        return undefined("nobody looked", unit="fraction", better=Better.HIGHER)
    interval = None if low is None or high is None else Interval(low=low, high=high, level=0.95, method="by hand")
    return Measure(value=value, unit="fraction", better=better, n=n, interval=interval)


def class_result(name: str, change: Measure) -> ClassResult:
    return ClassResult(
        class_name=name,
        support=change.n,
        recall_baseline=NONE,
        recall_candidate=NONE,
        change=change,
        p_value=None,
        p_holm=None,
    )


def counted_class(name: str, *, n: int, lost: int, won: int = 0, right: float = 0.9) -> ClassResult:
    """A class with counts, of which the baseline gets the fraction ``right``."""
    both = round(right * n) - lost
    counts = PairedCounts(both=both, only_baseline=lost, only_candidate=won, neither=n - both - lost - won)
    return ClassResult(
        class_name=name,
        support=n,
        recall_baseline=proportion(counts.baseline, n, better=Better.HIGHER),
        recall_candidate=proportion(counts.candidate, n, better=Better.HIGHER),
        change=paired_change(counts),
        p_value=None,
        p_holm=None,
        lost=lost,
        won=won,
    )


def counted(**cells: int) -> dict[str, Any]:
    """The accuracy and flips of a comparison with these paired counts."""
    counts = PairedCounts(**cells)
    flips = counts.discordant
    return {
        "accuracy": AccuracyChange(
            baseline=proportion(counts.baseline, counts.n, better=Better.HIGHER),
            candidate=proportion(counts.candidate, counts.n, better=Better.HIGHER),
            change=paired_change(counts),
        ),
        "flips": FlipSummary(
            n=counts.n,
            flips=flips,
            negative=counts.only_baseline,
            positive=counts.only_candidate,
            lateral=0,
            rate=proportion(flips, counts.n, better=Better.LOWER),
            mcnemar_p=NONE,
        ),
    }


def comparison(name: str = "candidate", **changes: Any) -> Comparison:
    """A comparison in which 20 of 1000 predictions flipped."""
    fields: dict[str, Any] = {
        "baseline_sha256": "0" * 64,
        "candidate_sha256": "1" * 64,
        "candidate_name": name,
        "accuracy": AccuracyChange(baseline=NONE, candidate=NONE, change=measure(-0.005, -0.012, 0.002)),
        "flips": FlipSummary(
            n=1000,
            flips=20,
            negative=10,
            positive=5,
            lateral=5,
            rate=measure(0.02, 0.013, 0.031, better=Better.LOWER),
            mcnemar_p=NONE,
        ),
        "classes": (),
        "confusion": None,
        "confidence": ConfidenceShift(
            **dict.fromkeys(CONFIDENCE, NONE),
            change_histogram=Histogram(edges=(0.0, 1.0), counts=(0,)),
            reliability_baseline=(),
            reliability_candidate=(),
        ),
        "saliency": None,
        "latency": None,
        "footprint_baseline": Footprint(file_bytes=4000, zip_bytes=3000, weights=10, nonzero_weights=10),
        "footprint_candidate": Footprint(file_bytes=1000, zip_bytes=600, weights=10, nonzero_weights=5),
        "fusion": None,
    }
    return Comparison(**{**fields, **changes})


def run_record(*comparisons: Comparison) -> RunRecord:
    return RunRecord(
        schema_version=SCHEMA_VERSION,
        run_id="a-run",
        started_at="2026-01-02T15:04:05+00:00",
        command=("compress-onnx", "compare"),
        config={},
        environment=Environment(
            python="3.11",
            system="Linux",
            packages={},
            cpu_model="a CPU",
            cpu_features=(),
            cpu_saturates=False,
            cpu_target="x86-64-vnni",
            cores=1,
        ),
        dataset=DatasetInfo(name="data", split="test", n=1000, class_names=("a", "b"), sha256="2" * 64),
        preprocessing=Preprocessing(height=8, width=8, mean=(0.0,), std=(1.0,)),
        calibration=None,
        artifacts=(),
        comparisons=comparisons,
        verdict=None,
    )


@pytest.fixture(scope="session")
def made() -> Any:
    """The makers above: ``made.measure``, ``made.comparison``, ``made.record``, ``made.class_result``."""

    class Made:
        measure = staticmethod(measure)
        comparison = staticmethod(comparison)
        record = staticmethod(run_record)
        class_result = staticmethod(class_result)
        counted_class = staticmethod(counted_class)
        counted = staticmethod(counted)

    return Made


@pytest.fixture
def policy_file(tmp_path: Any) -> Callable[[str], Any]:
    def write(text: str) -> Any:
        path = tmp_path / "policy.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write

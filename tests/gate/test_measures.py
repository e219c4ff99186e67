"""The names that a policy's rules may use."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from compress_onnx.gate.measures import measures, worst_class_change
from compress_onnx.records import LatencyComparison, LatencyRun, SaliencyGroup, SaliencyShift, TwinFidelity


def test_names_follow_the_records_fields(made: Any) -> None:
    found = measures(made.comparison(extra={"jensen_shannon": made.measure(0.1)}))
    assert {"accuracy.change", "flips.rate", "confidence.ece_candidate", "extra.jensen_shannon"} <= found.keys()
    assert found["flips.rate"].value == 0.02
    assert not any(name.startswith(("latency", "saliency")) for name in found)


def test_what_was_measured_has_names_too(made: Any) -> None:
    one = made.measure(1.0)
    run = LatencyRun(values_ms=(1.0,), warmup_ms=(), load_ms=1.0, p50_ms=one, p90_ms=one, p99_ms=one)
    latency = LatencyComparison(threads=1, batch=1, rounds=1, baseline=run, candidate=run, speedup=one, warnings=())
    fidelity = TwinFidelity(n=1, top1_agreement=1.0, max_abs_logit_diff=0.0, accepted=True)
    group = SaliencyGroup(n=1, mean_absolute_deviation=one, spearman=one, top_k_overlap=one, ssim=one)
    saliency = SaliencyShift(
        method="gradient",
        target="baseline",
        n=1,
        fidelity_baseline=fidelity,
        fidelity_candidate=fidelity,
        over_all=group,
        over_same=group,
        over_flipped=None,
        noise_floor=None,
        randomised_ceiling=None,
    )
    found = measures(made.comparison(latency=latency, saliency=saliency))
    assert {"latency.speedup", "latency.candidate.p50_ms", "saliency.over_all.spearman"} <= found.keys()
    empty = found["saliency.over_flipped.spearman"]
    assert (empty.value, empty.undefined_reason) == (None, "no such samples")
    assert "saliency.over_flipped.n" not in found


def test_footprints_are_candidate_over_baseline(made: Any) -> None:
    found = measures(made.comparison())
    assert found["footprint.file_ratio"].value == pytest.approx(0.25)
    assert found["footprint.zip_ratio"].value == pytest.approx(0.2)


def test_classes_have_names_and_a_worst(made: Any) -> None:
    changes = {"stop": -0.1, "go": 0.05, "yield": -0.3, "new": None}
    results = tuple(made.class_result(name, made.measure(value)) for name, value in changes.items())
    found = measures(made.comparison(classes=results))
    assert found["classes.stop.change"].value == -0.1
    assert found["classes.worst.change"] == found["classes.yield.change"]


def test_the_worst_class_may_have_gained(made: Any) -> None:
    results = (made.class_result("a", made.measure(0.2)), made.class_result("b", made.measure(0.1)))
    assert worst_class_change(results).value == 0.1


def test_without_labelled_classes_there_is_no_worst(made: Any) -> None:
    found = worst_class_change((made.class_result("a", made.measure(None)),))
    assert found.value is None
    assert found.undefined_reason


def test_a_class_may_bear_any_name(made: Any) -> None:
    results = (made.class_result("20 km/h. limit", dataclasses.replace(made.measure(0.1))),)
    assert "classes.20 km/h. limit.change" in measures(made.comparison(classes=results))

"""The names that a policy's rules may use."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.errors import UnknownNameError
from compress_onnx.gate.measured import _at, measures
from compress_onnx.gate.names import resolved, segment
from compress_onnx.gate.policy import Rule
from compress_onnx.gate.verdict import judged
from compress_onnx.gate.worst import worst_class_change
from compress_onnx.records.base import Measure, record
from compress_onnx.records.latency import LatencyComparison, LatencyRun
from compress_onnx.records.saliency import SaliencyGroup, SaliencyShift, TwinFidelity
from compress_onnx.records.verdict import Outcome


def test_names_follow_the_records_fields(made: Any) -> None:
    found = measures(made.comparison(extra={"jensen_shannon": made.measure(0.1)}))
    assert {"accuracy.change", "flips.rate", "confidence.ece_candidate", "extra.jensen_shannon"} <= found.keys()
    assert found["flips.rate"].value == 0.02
    for absent in ("latency.speedup", "saliency.over_all.spearman"):
        assert (found[absent].value, found[absent].undefined_reason) == (None, "not measured in this run")


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
        randomized_ceiling=None,
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
    assert found["classes.worst.change"].value == found["classes.yield.change"].value


def test_the_worst_class_may_have_gained(made: Any) -> None:
    results = (made.class_result("a", made.measure(0.2)), made.class_result("b", made.measure(0.1)))
    assert worst_class_change(results).value == 0.1


def test_without_labeled_classes_there_is_no_worst(made: Any) -> None:
    found = worst_class_change((made.class_result("a", made.measure(None)),))
    assert found.value is None
    assert found.undefined_reason


NAMES = ("20 km/h. limit", "worst", 'so "called"', "", " edge", "a.change", "stop")


def test_a_class_may_bear_any_name(made: Any) -> None:
    results = tuple(made.class_result(name, made.measure(-0.1 * n)) for n, name in enumerate(NAMES))
    found = measures(made.comparison(classes=results))
    for number, name in enumerate(NAMES):
        assert found[f"classes.{segment(name)}.change"].value == pytest.approx(-0.1 * number)
    assert found["classes.worst.change"].value == pytest.approx(-0.6)
    assert found['classes."worst".change'].value == pytest.approx(-0.1)


@given(st.lists(st.text(max_size=8), unique=True, min_size=1, max_size=6))
def test_no_two_classes_share_a_name_and_each_is_found_as_written(names: list[str]) -> None:
    written = [f"classes.{segment(name)}.change" for name in names]
    assert len(set(written)) == len(names)
    assert "classes.worst.change" not in written
    assert [resolved(name, written) for name in written] == written


def test_quotes_may_be_left_out_where_one_name_is_meant() -> None:
    known = ['classes."20 km/h. limit".change', "classes.stop.change"]
    assert resolved("classes.20 km/h. limit.change", known) == known[0]
    assert resolved('classes."stop".change', known) == known[1]


def test_a_name_that_could_mean_two_is_refused_with_both() -> None:
    known = ['classes."a".b', 'classes."a.b"']
    with pytest.raises(UnknownNameError, match=r'Did you mean classes\."a"\.b or classes\."a\.b"'):
        resolved("classes.a.b", known)


def test_two_classes_of_one_name_are_told_apart_by_number(made: Any) -> None:
    results = (made.class_result("a", made.measure(0.1)), made.class_result("a", made.measure(0.2)))
    found = measures(made.comparison(classes=results))
    assert (found["classes.a.change"].value, found["classes.a#1.change"].value) == (0.1, 0.2)


def test_a_record_that_nobody_has_written_yet_is_found_by_itself(made: Any) -> None:
    @record
    class Part:
        name: str
        one: Measure
        maybe: Measure | None = None

    @record
    class Tomorrow:
        parts: tuple[Part, ...]
        by_key: dict[str, Measure]
        gone: Part | None
        raw: tuple[float, ...] = (1.0, 2.0)
        undefined_reason: str | None = "nobody looked"

    one = made.measure(0.5)
    node = Tomorrow(parts=(Part(name="x.y", one=one),), by_key={"k 1": one}, gone=None)
    # Type hints of local classes need their namespace, as those of a module have it.
    found = dict(_at({"part": node.parts[0]}, "new"))
    assert found["new.part.one"] == one
    assert found["new.part.maybe"].undefined_reason == "not measured in this run"
    assert dict(_at(node.parts, "parts"))['parts."x.y".one'] == one
    assert dict(_at(node.by_key, "by_key")) == {"by_key.k 1": one}
    assert dict(_at(node.raw, "raw")) == {}


def test_what_is_counted_is_decided_without_doubt(made: Any) -> None:
    ratio = measures(made.comparison())["footprint.file_ratio"]
    assert judged(Rule(metric="footprint.file_ratio", at_most=0.25), ratio)[0] is Outcome.PASS
    assert judged(Rule(metric="footprint.file_ratio", at_most=0.24), ratio)[0] is Outcome.FAIL

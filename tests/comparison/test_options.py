"""Options of a comparison: checked when made, kept as they are, methods by name."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from compress_onnx.comparison import options
from compress_onnx.comparison.options import AUTO, NO_SALIENCY, CompareOptions, saliency_method
from compress_onnx.errors import MissingExtraError, OptionError, UnknownNameError
from compress_onnx.extension_points import attributions
from compress_onnx.runtime.bench.latency import LatencyPlan


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"batch": 0}, "batch"),
        ({"threads": 0}, "threads"),
        ({"seed": -1}, "seed"),
        ({"pictures": -1}, "pictures"),
        ({"saliency_samples": 0}, "saliency-samples"),
        ({"saliency_target": "nothing"}, "saliency-target"),
        ({"latency": LatencyPlan(rounds=0)}, "rounds"),
        ({"latency": LatencyPlan(calls=0)}, "calls"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_values_out_of_bounds_are_refused_when_options_are_made(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises((OptionError, UnknownNameError), match=says):
        CompareOptions(**wrong)


def test_a_record_keeps_every_option_but_those_that_change_nothing() -> None:
    plan = LatencyPlan(threads=3, batch=5, rounds=7, calls=9)
    made = CompareOptions(latency=plan, threads=2, batch=4, seed=6, pictures=8, target="ssh:board")
    kept = made.recorded()
    assert json.loads(json.dumps(kept)) == kept
    assert {kept[f"latency_{name}"] for name in ("threads", "batch", "rounds", "calls")} == {3, 5, 7, 9}
    plain = {field.name for field in dataclasses.fields(CompareOptions)} - {"latency", "preprocessing", "cache"}
    assert {name: kept[name] for name in plain} == {name: getattr(made, name) for name in plain}
    assert set(kept) == plain | {f"latency_{name}" for name in ("threads", "batch", "rounds", "calls")}


def test_what_is_not_timed_has_no_numbers() -> None:
    kept = CompareOptions().recorded()
    assert {value for name, value in kept.items() if name.startswith("latency_")} == {None}


def test_auto_is_gradient_where_that_can_be_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "missing_packages", lambda extra: [])
    assert saliency_method(AUTO) == "gradient"
    monkeypatch.setattr(options, "missing_packages", lambda extra: ["torch"])
    assert saliency_method(AUTO) == NO_SALIENCY == saliency_method(NO_SALIENCY)


def test_a_method_asked_for_by_name_needs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compress_onnx.extras.missing_packages", lambda extra: ["torch"])
    with pytest.raises(MissingExtraError, match="--saliency gradient"):
        saliency_method("gradient")


@pytest.mark.slow
def test_methods_are_known_by_name() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("captum")
    if "gradient" not in attributions():
        pytest.skip("the package is not installed, so it has no entry points")
    assert saliency_method("gradient") == "gradient"
    assert saliency_method("grad-cam:conv") == "grad-cam:conv"
    with pytest.raises(UnknownNameError, match="gradient"):
        saliency_method("gradeint")
    with pytest.raises(OptionError, match="layer"):
        saliency_method("gradient:conv")

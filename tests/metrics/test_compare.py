import dataclasses
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax

from compress_onnx.metrics.compare import compare_outputs
from compress_onnx.metrics.outputs.accuracy import accuracy_change
from compress_onnx.metrics.outputs.classes import class_results
from compress_onnx.metrics.outputs.confidence import confidence_shift
from compress_onnx.metrics.outputs.confusion import confusion_change
from compress_onnx.metrics.outputs.divergence import output_divergence
from compress_onnx.metrics.outputs.flips import flip_summary
from compress_onnx.metrics.outputs.pair import LogitPair
from compress_onnx.metrics.outputs.pattern import class_pattern
from compress_onnx.metrics.outputs.uncertainty import uncertainty_shift
from compress_onnx.records.base import Measure
from compress_onnx.records.run import Comparison


def leaves(value: Any) -> Iterator[Any]:
    """Yield every measure and number within a record."""
    if dataclasses.is_dataclass(value):
        if isinstance(value, Measure):
            yield value
        for field in dataclasses.fields(value):
            yield from leaves(getattr(value, field.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def test_it_gathers_what_the_single_metrics_say(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair()
    whole = compare_outputs(pair)
    assert whole.accuracy == accuracy_change(pair)
    assert whole.flips == flip_summary(pair)
    assert whole.classes == class_results(pair)
    assert whole.confusion == confusion_change(pair)
    assert whole.confidence == confidence_shift(pair)
    assert whole.class_pattern == class_pattern(pair)
    assert whole.divergence == output_divergence(pair)
    assert whole.uncertainty == uncertainty_shift(pair)


def test_the_seed_draws_what_is_drawn_and_nothing_else(make_pair: Callable[..., LogitPair]) -> None:
    pair = make_pair()
    one, two = (compare_outputs(pair, seed=seed) for seed in (1, 2))
    assert one == compare_outputs(pair, seed=1) != two
    assert one.class_pattern == class_pattern(pair, np.random.default_rng(1)) != two.class_pattern
    assert one.uncertainty == uncertainty_shift(pair, 1) != two.uncertainty
    drawn = {"class_pattern": None, "uncertainty": None}
    assert dataclasses.replace(one, **drawn) == dataclasses.replace(two, **drawn)


def pair_of(labels: Any, baseline: Any, candidate: Any) -> LogitPair:
    outputs = [np.asarray(values, dtype=np.float32) for values in (baseline, candidate)]
    names = tuple(f"class {index}" for index in range(outputs[0].shape[1]))
    return LogitPair(labels=labels, baseline=outputs[0], candidate=outputs[1], class_names=names)


RNG = np.random.default_rng(0)
NOISE, OTHER = RNG.normal(size=(2, 40, 7))
HARD = {
    "one sample": pair_of(np.array([1]), NOISE[:1], OTHER[:1]),
    "two samples": pair_of(np.array([1, 0]), NOISE[:2], OTHER[:2]),
    "two classes": pair_of(RNG.integers(2, size=40), NOISE[:, :2], OTHER[:, :2]),
    "one class only": pair_of(np.full(40, 3), NOISE, OTHER),
    "classes without samples": pair_of(RNG.integers(3, size=40), NOISE, OTHER),
    "identical models": pair_of(RNG.integers(7, size=40), NOISE, NOISE),
    "all right": pair_of(np.arange(40) % 7, np.eye(7)[np.arange(40) % 7], 9 * np.eye(7)[np.arange(40) % 7]),
    "all wrong": pair_of(np.arange(40) % 7, -np.eye(7)[np.arange(40) % 7], -9 * np.eye(7)[np.arange(40) % 7]),
    "from all right to all wrong": pair_of(
        np.arange(40) % 7, np.eye(7)[np.arange(40) % 7], -np.eye(7)[np.arange(40) % 7]
    ),
    "no opinion": pair_of(np.arange(40) % 7, np.zeros((40, 7)), np.zeros((40, 7))),
    "huge logits": pair_of(np.arange(40) % 7, 1e30 * NOISE, -1e30 * OTHER),
    "largest logits": pair_of(np.arange(40) % 7, 3e38 * np.sign(NOISE), -3e38 * np.sign(OTHER)),
    "hard probabilities": pair_of(np.arange(40) % 7, np.eye(7)[np.arange(40) % 7], np.eye(7)[np.arange(40) % 5]),
    "probabilities against logits": pair_of(np.arange(40) % 7, softmax(NOISE, axis=1), OTHER),
    "small unsigned labels": pair_of((np.arange(40) % 7).astype(np.uint8), NOISE, OTHER),
}


@pytest.mark.parametrize("labeled", [True, False])
@pytest.mark.parametrize("case", HARD)
def test_no_number_is_nan_and_every_missing_one_has_a_reason(case: str, *, labeled: bool) -> None:
    pair = HARD[case] if labeled else dataclasses.replace(HARD[case], labels=None)
    for leaf in leaves(compare_outputs(pair)):
        if isinstance(leaf, Measure):
            assert (leaf.value is None) == (leaf.undefined_reason is not None)
            assert leaf.interval is None or leaf.interval.low <= leaf.value <= leaf.interval.high
        elif isinstance(leaf, float):
            assert math.isfinite(leaf)


def test_without_labels_flips_confidence_and_divergence_remain(make_pair: Callable[..., LogitPair]) -> None:
    found = compare_outputs(make_pair(labeled=False))
    for measure in (found.flips.rate, found.confidence.change_all, found.divergence.kullback_leibler):
        assert measure.value is not None
    for measure in (found.accuracy.change, found.class_pattern.p_value, found.uncertainty.sets.coverage_candidate):
        assert measure.undefined_reason == "the data has no labels"
    assert found.confusion is None


@pytest.mark.parametrize("labeled", [True, False])
def test_every_number_is_a_plain_python_one(make_pair: Callable[..., LogitPair], *, labeled: bool) -> None:
    allowed = {int, float, str, bool, type(None), Measure}
    found = {type(leaf) for leaf in leaves(compare_outputs(make_pair(labeled=labeled)))}
    assert {kind for kind in found - allowed if not issubclass(kind, str)} == set()


def test_its_fields_are_those_of_a_comparison(make_pair: Callable[..., LogitPair]) -> None:
    names = {field.name for field in dataclasses.fields(compare_outputs(make_pair()))}
    assert names < {field.name for field in dataclasses.fields(Comparison)}


def test_comparing_twice_gives_the_same_record(make_pair: Callable[..., LogitPair]) -> None:
    assert compare_outputs(make_pair()) == compare_outputs(make_pair())


def test_metrics_need_neither_a_runtime_nor_a_framework() -> None:
    heavy = ("torch", "onnx", "onnxruntime", "pyarrow", "scipy.stats")
    program = (
        "import sys; from compress_onnx import metrics; [getattr(metrics, name) for name in metrics.__all__]; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

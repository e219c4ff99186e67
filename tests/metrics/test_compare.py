import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from compress_onnx.metrics.accuracy import accuracy_change
from compress_onnx.metrics.classes import class_results
from compress_onnx.metrics.compare import compare_outputs
from compress_onnx.metrics.confidence import confidence_shift
from compress_onnx.metrics.confusion import confusion_change
from compress_onnx.metrics.flips import flip_summary
from compress_onnx.metrics.pair import LogitPair
from compress_onnx.records import Comparison, Measure


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


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("n", [1, 2, 7, 300])
def test_no_number_is_nan_and_every_missing_one_has_a_reason(
    make_pair: Callable[..., LogitPair], n: int, *, labelled: bool
) -> None:
    for leaf in leaves(compare_outputs(make_pair(n=n, c=6, labelled=labelled))):
        if isinstance(leaf, Measure):
            assert (leaf.value is None) == (leaf.undefined_reason is not None)
            assert leaf.interval is None or leaf.interval.low <= leaf.value <= leaf.interval.high
        elif isinstance(leaf, float):
            assert math.isfinite(leaf)


@pytest.mark.parametrize("labelled", [True, False])
def test_every_number_is_a_plain_python_one(make_pair: Callable[..., LogitPair], *, labelled: bool) -> None:
    allowed = {int, float, str, bool, type(None), Measure}
    found = {type(leaf) for leaf in leaves(compare_outputs(make_pair(labelled=labelled)))}
    assert {kind for kind in found - allowed if not issubclass(kind, str)} == set()


def test_its_fields_are_those_of_a_comparison(make_pair: Callable[..., LogitPair]) -> None:
    names = {field.name for field in dataclasses.fields(compare_outputs(make_pair()))}
    assert names < {field.name for field in dataclasses.fields(Comparison)}


def test_comparing_twice_gives_the_same_record(make_pair: Callable[..., LogitPair]) -> None:
    assert compare_outputs(make_pair()) == compare_outputs(make_pair())

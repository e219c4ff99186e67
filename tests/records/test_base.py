"""Records are frozen, keyword-only and slotted; what they say about undefined numbers is a reason."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from compress_onnx import records
from compress_onnx.records.base import Better, Measure, undefined

RECORDS = [cls for _, cls in inspect.getmembers(records, dataclasses.is_dataclass) if isinstance(cls, type)]
# Arrays, which lie in .npz files that the store checks itself.
IN_ARRAYS = {records.Predictions, records.SaliencyMaps}


def named(cls: type) -> str:
    return cls.__name__


@pytest.mark.parametrize("cls", RECORDS, ids=named)
def test_every_record_is_frozen_slotted_keyword_only_and_documented(cls: type) -> None:
    parameters = cls.__dataclass_params__
    assert parameters.frozen
    assert "__slots__" in vars(cls)
    assert all(field.kw_only for field in dataclasses.fields(cls))
    assert cls.__doc__
    assert not cls.__doc__.startswith(f"{cls.__name__}(")


@pytest.mark.parametrize("cls", [cls for cls in RECORDS if cls not in IN_ARRAYS], ids=named)
def test_every_record_on_disk_refuses_more_fields_and_nan(cls: type) -> None:
    assert cls.__pydantic_config__ == {"extra": "forbid", "allow_inf_nan": False}


def test_a_record_cannot_be_changed_or_given_more() -> None:
    measure = Measure(value=0.5, unit="fraction", better=Better.HIGHER, n=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        measure.value = 0.6  # type: ignore[misc]  # the point of the test
    with pytest.raises(TypeError, match="sum"):
        Measure(value=0.5, unit="fraction", better=Better.HIGHER, n=3, sum=1)  # type: ignore[call-arg]  # the point
    with pytest.raises(TypeError, match="positional"):
        Measure(0.5, "fraction", Better.HIGHER, 3)  # type: ignore[misc]  # the point of the test


def test_equal_records_are_equal_and_hashable() -> None:
    first, second = (Measure(value=0.5, unit="fraction", better=Better.HIGHER, n=3) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)


def test_an_undefined_measure_has_a_reason_and_no_value() -> None:
    measure = undefined("no labels", unit="fraction", better=Better.LOWER, n=7)
    assert (measure.value, measure.undefined_reason, measure.n) == (None, "no labels", 7)
    assert measure.interval is None


def test_the_words_on_disk_stay_as_they_are() -> None:
    assert [*Better] == ["higher", "lower", "neither"]
    assert records.SCHEMA_VERSION == 3

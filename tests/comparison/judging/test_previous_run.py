"""Which candidates of two runs belong together, which rows may be paired, and what a reader is told of the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from compress_onnx.comparison.judging.previous_run import matched, paired_columns, run_warnings
from compress_onnx.comparison.run import RunResults
from compress_onnx.errors import OptionError, RecordError, UnknownNameError
from compress_onnx.records.run import RunRecord

RunOf = Callable[..., RunResults]


@pytest.fixture
def record(run_of: RunOf) -> Callable[..., RunRecord]:
    """A run's record with candidates of these names."""
    template = run_of("old", {"one": 0.3}).record

    def make(*names: str, classes: tuple[str, ...] | None = None, **changes: Any) -> RunRecord:
        (comparison,) = template.comparisons
        comparisons = tuple(dataclasses.replace(comparison, candidate_name=name) for name in names)
        dataset = template.dataset if classes is None else dataclasses.replace(template.dataset, class_names=classes)
        return dataclasses.replace(template, comparisons=comparisons, dataset=dataset, **changes)

    return make


@pytest.mark.parametrize(
    ("now", "before", "renamed", "pairs"),
    [
        ("a b", "b a", {}, ["a a", "b b"]),
        ("a b", "b", {}, ["b b"]),
        ("a", "b", {}, ["a b"]),
        ("a b", "c a", {"b": "c"}, ["a a", "b c"]),
        ("a b", "b a", {"a": "b", "b": "a"}, ["a b", "b a"]),
        ("a b", "c", {"a": "c", "b": "c"}, ["a c", "b c"]),
    ],
)
def test_candidates_are_paired_as_renamed_by_name_or_as_the_only_ones(
    record: Callable[..., RunRecord], now: str, before: str, renamed: dict[str, str], pairs: list[str]
) -> None:
    found = matched(record(*now.split()), record(*before.split()), renamed)
    assert [f"{new.candidate_name} {old.candidate_name}" for new, old in found] == pairs


def test_candidates_without_a_counterpart_are_an_error(record: Callable[..., RunRecord]) -> None:
    says = r"a candidate of this run \(a, b\) in the earlier one, got c, d \(old\)\. .*--candidate NEW=OLD"
    with pytest.raises(OptionError, match=says):
        matched(record("a", "b"), record("c", "d"), {})
    with pytest.raises(OptionError, match="got none"):
        matched(record("a"), record(), {})


def test_a_renaming_must_name_candidates_that_there_are(record: Callable[..., RunRecord]) -> None:
    with pytest.raises(UnknownNameError, match="a candidate of this run, got 'int'"):
        matched(record("int8"), record("int8"), {"int": "int8"})
    with pytest.raises(UnknownNameError, match=r"a candidate of the earlier run, got 'int4'\. Did you mean int8"):
        matched(record("int8"), record("int8"), {"int8": "int4"})


@pytest.mark.parametrize(
    ("classes", "got"),
    [
        (("red", "green"), "with the same 3 classes, got 2 classes"),
        (("red", "blue", "green"), "with the same 3 classes, got other ones, 'green' for 'blue'"),
    ],
)
def test_runs_of_other_classes_are_not_held_against_each_other(
    record: Callable[..., RunRecord], classes: tuple[str, ...], got: str
) -> None:
    with pytest.raises(RecordError, match=rf"{got} \(old\)"):
        matched(record("a"), record("a", classes=classes), {})


def test_nothing_is_said_of_runs_that_differ_in_nothing_else(record: Callable[..., RunRecord]) -> None:
    assert run_warnings(record("a", "b"), record("a", "b")) == []


def test_what_else_differs_is_said(record: Callable[..., RunRecord]) -> None:
    now = record("a", "b")
    data = dataclasses.replace(now.dataset, sha256="0" * 64)
    place = dataclasses.replace(now.environment, cpu_target="aarch64")
    parents = tuple(dataclasses.replace(one, baseline_sha256="0" * 64) for one in now.comparisons)
    cases = {
        "saw other images": dataclasses.replace(now, dataset=data),
        f"ran on aarch64, this one on {now.environment.cpu_target}": dataclasses.replace(now, environment=place),
        "had another baseline": dataclasses.replace(now, comparisons=parents),
        "has no candidate called b": record("a", "c"),
    }
    for words, before in cases.items():
        (warning,) = run_warnings(now, before)
        assert warning.startswith(f"old {words}")
    everything = dataclasses.replace(now, dataset=data, environment=place, comparisons=parents[:1])
    assert len(run_warnings(now, everything)) == 4


def test_the_only_candidate_may_be_called_otherwise(record: Callable[..., RunRecord]) -> None:
    assert run_warnings(record("a"), record("b")) == []


def test_rows_are_paired_where_both_runs_saw_the_same_images(run_of: RunOf) -> None:
    now, before = run_of("new", {"one": 0.3, "two": 0.5}), run_of("old", {"first": 0.5})
    new, old = paired_columns(now, before, ("two", "first"))
    assert new is not None
    assert old is not None
    assert (set(new["candidate"]), set(old["candidate"])) == ({"two"}, {"first"})
    assert new["candidate_class"].tolist() == old["candidate_class"].tolist()


def test_rows_are_not_paired_where_that_cannot_be(run_of: RunOf, make_images: Any) -> None:
    now, other = run_of("new", {"one": 0.3}), run_of("old", {"one": 0.3}, images=make_images(seed=1))
    assert paired_columns(now, other, ("one", "one")) == (None, None)
    assert paired_columns(now, dataclasses.replace(now, columns=()), ("one", "one")) == (None, None)
    assert paired_columns(dataclasses.replace(now, columns=()), now, ("one", "one")) == (None, None)
    (part,) = now.columns
    turned = dataclasses.replace(now, columns=[{name: column[::-1] for name, column in part.items()}])
    assert paired_columns(now, turned, ("one", "one")) == (None, None)

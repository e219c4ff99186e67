"""Limits that cannot have been meant, and what was."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from compress_onnx.errors import PolicyError
from compress_onnx.gate.limits import check_limit
from compress_onnx.gate.policy import Rule
from compress_onnx.records.base import Better

HIGHER, LOWER, NEITHER = Better.HIGHER, Better.LOWER, Better.NEITHER


@pytest.mark.parametrize(
    ("name", "better", "limit", "says"),
    [
        ("accuracy.change", HIGHER, {"at_most": 0.01}, "Probably at_least = -0.01 was meant"),
        ("accuracy.change", HIGHER, {"at_most": -0.01}, "Probably at_least = -0.01 was meant"),
        ("accuracy.change", HIGHER, {"at_least": 0.01}, "allowed by at_least = -0.01"),
        ("accuracy.candidate", HIGHER, {"at_most": 0.9}, "Probably at_least = 0.9 was meant"),
        ("accuracy.candidate", HIGHER, {"at_least": 90}, "90 % is written 0.9"),
        ("flips.rate", LOWER, {"at_least": 0.02}, "Probably at_most = 0.02 was meant"),
        ("flips.rate", LOWER, {"at_most": 2}, "from 0 to 1 for flips.rate, got at_most = 2 .*2 % is written 0.02"),
        ("flips.rate", LOWER, {"at_most": -0.02}, "from 0 to 1"),
        ("accuracy.change", HIGHER, {"at_least": -5}, "from -1 to 1 for .* -5 % is written -0.05"),
        ("confidence.change_all", NEITHER, {"at_most": 3}, "from -1 to 1"),
    ],
)
def test_what_cannot_have_been_meant_is_refused(
    name: str, better: Better, limit: dict[str, float], says: str, made: Any
) -> None:
    with pytest.raises(PolicyError, match=says):
        check_limit(Rule(metric=name, **limit), name, made.measure(0.1, better=better))


@pytest.mark.parametrize(
    ("name", "better", "limit"),
    [
        ("accuracy.change", HIGHER, {"at_least": -0.01}),
        ("accuracy.change", HIGHER, {"at_least": 0.0}),
        ("flips.rate", LOWER, {"at_most": 0.0}),
        ("flips.rate", LOWER, {"at_most": 1.0}),
        ("confidence.change_all", NEITHER, {"at_most": 0.1}),
        ("confidence.change_all", NEITHER, {"at_least": -0.1}),
        ("extra.gain", HIGHER, {"at_least": -0.5}),
    ],
)
def test_what_makes_sense_is_accepted(name: str, better: Better, limit: dict[str, float], made: Any) -> None:
    check_limit(Rule(metric=name, **limit), name, made.measure(0.1, better=better))


def test_units_of_their_own_have_their_own_range(made: Any) -> None:
    ratio = dataclasses.replace(made.measure(0.5, better=LOWER), unit="ratio")
    check_limit(Rule(metric="footprint.file_ratio", at_most=2.0), "footprint.file_ratio", ratio)
    with pytest.raises(PolicyError, match="a limit from 0 for"):
        check_limit(Rule(metric="footprint.file_ratio", at_most=-1.0), "footprint.file_ratio", ratio)


def test_nothing_is_known_of_what_was_not_measured(made: Any) -> None:
    nothing = dataclasses.replace(made.measure(None), better=NEITHER)
    check_limit(Rule(metric="latency.speedup", at_least=1.2), "latency.speedup", nothing)

"""Published claims against what was measured: Schwaiger, Schwienbacher and Roscher, SafeAI 2022."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

import numpy as np

from compress_onnx.metrics import mean_interval
from compress_onnx.records import Measure, ShiftVerdict
from compress_onnx.report.kit import percent, points_cell, signed, span
from compress_onnx.report.pages.study.cases import Case, Way

POINT = 0.01
"""The published study kept networks that lost at most one point of accuracy."""
COLLAPSE = 0.03
"""A loss of accuracy beyond which a network counts as ruined."""
PUBLISHED_SPARSITY = 0.725
PUBLISHED_FLIPS = 0.075
PUBLISHED_CLASS_CHANGE = 0.15
PUBLISHED_DEVIATION = 0.075
NEAR = 1.5
"""Factor within which two average deviations count as about the same: maps and methods differ in detail."""


class Agreement(StrEnum):
    """Whether a measurement agrees with what was published."""

    AGREES = "agrees"
    DIFFERS = "differs"
    OPEN = "cannot be told"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One published claim, what was measured here, whether they agree, and over what."""

    claim: str
    measured: str
    agreement: Agreement
    scope: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One published claim held against candidates made as published, and against improved ones.

    A candidate that leaves nothing to improve, such as W8A8, counts on both sides. ``improved`` is
    ``None`` where the study holds no improved candidate.
    """

    published: Finding
    improved: Finding | None


def judged(cases: Sequence[Case]) -> tuple[Judged, ...]:
    """Return every published claim with what the cases say of it; ``found`` may be empty.

    A study whose candidates are all improved is held against the claims as it is.
    """
    improved = [case for case in cases if case.way is not Way.PUBLISHED]
    published = [case for case in cases if case.way is not Way.IMPROVED]
    ways = {case.way for case in cases}
    if not {Way.PUBLISHED, Way.IMPROVED} <= ways:
        return tuple(Judged(published=check(cases), improved=None) for check in CHECKS)
    return tuple(Judged(published=check(published), improved=check(improved)) for check in CHECKS)


def _open(claim: str, scope: str) -> Finding:
    return Finding(claim=claim, measured="no such candidate in this study", agreement=Agreement.OPEN, scope=scope)


def _agrees(holds: object) -> Agreement:
    return Agreement.AGREES if holds else Agreement.DIFFERS


def _within_a_point(cases: Iterable[Case]) -> list[Case]:
    return [case for case in cases if case.accuracy_change is not None and case.accuracy_change >= -POINT]


def accuracy_kept(cases: Sequence[Case]) -> Finding:
    """Hold *accuracy falls by less than one point* against candidates without 4-bit weights or a sparsity set by hand.

    The published study kept the highest sparsity that lost no more, so a sparsity set by hand says nothing.
    """
    claim, scope = "Accuracy falls by less than 1 point.", "W8A8 and sparsities found by search, or both"
    judged_cases = [c for c in cases if not c.has_int4 and not c.has_set_sparsity and c.accuracy_change is not None]
    if not judged_cases:
        return _open(claim, scope)
    worst = min(judged_cases, key=lambda case: case.accuracy_change or 0.0)
    within = len(_within_a_point(judged_cases))
    most = f"{_points(worst.comparison.accuracy.change)}, {worst.full_name}"
    measured = f"{within} of {len(judged_cases)}; largest change: {most}"
    return Finding(claim=claim, measured=measured, agreement=_agrees(within == len(judged_cases)), scope=scope)


def four_bits_ruin(cases: Sequence[Case]) -> Finding:
    """Hold *4-bit weights ruin half of the networks* against those whose weights alone are in 4 bits."""
    claim = "4-bit weights ruin half of the networks."
    scope = f"unpruned W4A8, ruined: over {100 * COLLAPSE:.0f} points lost"
    judged_cases = [c for c in cases if c.has_int4 and not c.is_pruned and c.accuracy_change is not None]
    networks = sorted({(case.cell.network, case.cell.dataset) for case in judged_cases})
    if not networks:
        return _open(claim, scope)
    ruined = {(c.cell.network, c.cell.dataset) for c in judged_cases if (c.accuracy_change or 0.0) < -COLLAPSE}
    measured = f"{len(ruined)} of {len(networks)} networks with at least one such candidate"
    return Finding(claim=claim, measured=measured, agreement=_agrees(2 * len(ruined) >= len(networks)), scope=scope)


def datasets_alike(cases: Sequence[Case]) -> Finding:
    """Hold *no difference between the data sets* against the flip rates of equal recipes on two data sets."""
    claim, scope = "No difference between the data sets.", "flip rates of equal networks and recipes"
    rates = {(c.cell.network, c.name, c.cell.seed, c.cell.dataset): c.flip_rate for c in cases}
    names = sorted({case.cell.dataset for case in cases})
    if len(names) != 2:
        return _open(claim, scope)
    first, second = names
    pairs = [
        (rate, rates[network, recipe, seed, second])
        for (network, recipe, seed, dataset), rate in rates.items()
        if dataset == first and (network, recipe, seed, second) in rates
    ]
    differences = np.array([100 * (a - b) for a, b in pairs if a is not None and b is not None])
    interval = mean_interval(differences)
    if interval is None:
        return _open(claim, scope)
    measured = (
        f"{first} flips {signed(float(differences.mean()))} points more than {second} "
        f"({signed(interval.low)} to {signed(interval.high)}, {differences.size} pairs)"
    )
    return Finding(claim=claim, measured=measured, agreement=_agrees(interval.low <= 0 <= interval.high), scope=scope)


def order_of_networks(cases: Sequence[Case]) -> Finding:
    """Hold *ResNet is affected least, SqueezeNet most* against each network's mean flip rate."""
    claim, scope = "ResNet is affected least, SqueezeNet most.", "mean flip rate over all recipes and data sets"
    networks = sorted({case.cell.network for case in cases})
    means = {name: _mean(c.flip_rate for c in cases if c.cell.network == name) for name in networks}
    measured_means = {name: mean for name, mean in means.items() if mean is not None}
    least = next((name for name in measured_means if name.startswith("resnet")), None)
    most = next((name for name in measured_means if name.startswith("squeezenet")), None)
    if least is None or most is None or len(measured_means) < 3:
        return _open(claim, scope)
    ordered = sorted(measured_means, key=lambda name: measured_means[name])
    measured = ", ".join(f"{name} {percent(measured_means[name])}" for name in ordered)
    holds = ordered[0] == least and ordered[-1] == most
    return Finding(claim=claim, measured=measured, agreement=_agrees(holds), scope=scope)


def sparsity_reached(cases: Sequence[Case]) -> Finding:
    """Hold *up to 72.5 % pruned* against the sparsest candidate within one point of accuracy."""
    claim, scope = "Up to 72.5 % of the weights pruned.", "pruned candidates within 1 point of accuracy"
    within = _within_a_point(case for case in cases if case.is_pruned)
    if not within:
        return _open(claim, scope)
    best = max(within, key=lambda case: case.sparsity)
    # To the digits that were published: 72.5 % of an odd number of weights is a little less or more.
    holds = round(best.sparsity, 3) >= PUBLISHED_SPARSITY
    measured = f"{percent(best.sparsity, 1)} at {_points(best.comparison.accuracy.change)}, {best.full_name}"
    return Finding(claim=claim, measured=measured, agreement=_agrees(holds), scope=scope)


def most_flips(cases: Sequence[Case]) -> Finding:
    """Hold *up to 7.5 % changed predictions* against the largest flip rate within one point of accuracy."""
    claim, scope = "Up to 7.5 % of the predictions change.", "candidates within 1 point of accuracy"
    within = [case for case in _within_a_point(cases) if case.flip_rate is not None]
    if not within:
        return _open(claim, scope)
    worst = max(within, key=lambda case: case.flip_rate or 0.0)
    rate = worst.flip_rate or 0.0
    interval = f" ({span(worst.comparison.flips.rate.interval, scale=100)})"
    measured = f"up to {percent(rate)}{interval}, {worst.full_name}"
    return Finding(claim=claim, measured=measured, agreement=_agrees(rate <= PUBLISHED_FLIPS), scope=scope)


def class_changes(cases: Sequence[Case]) -> Finding:
    """Hold *up to 15 points per class* against the largest recall change within one point of accuracy."""
    claim, scope = "Single classes change by up to 15 points.", "candidates within 1 point of accuracy"
    changes = [
        (abs(result.change.value), result, case)
        for case in _within_a_point(cases)
        for result in case.comparison.classes
        if result.change.value is not None
    ]
    if not changes:
        return _open(claim, scope)
    amount, result, case = max(changes, key=lambda change: change[0])
    measured = f"up to {_points(result.change)}, \u2068{result.class_name}\u2069, {case.full_name}"
    return Finding(claim=claim, measured=measured, agreement=_agrees(amount <= PUBLISHED_CLASS_CHANGE), scope=scope)


def confidence_changes(cases: Sequence[Case]) -> Finding:
    """Hold *confidence changes mostly where the prediction does* against the mean changes of both groups."""
    claim = "Confidence changes drastically, mostly where the prediction changes."
    scope = "candidates with flips: size of the mean change, flipped against same"
    pairs = [
        (abs(shift.change_flipped.value), abs(shift.change_same.value))
        for shift in (case.comparison.confidence for case in cases)
        if shift.change_flipped.value is not None and shift.change_same.value is not None
    ]
    if not pairs:
        return _open(claim, scope)
    larger = sum(flipped > same for flipped, same in pairs)
    flipped, same = (100 * float(np.mean(side)) for side in zip(*pairs, strict=True))
    measured = f"larger in {larger} of {len(pairs)}; on average {flipped:.1f} against {same:.1f} points"
    return Finding(claim=claim, measured=measured, agreement=_agrees(2 * larger > len(pairs)), scope=scope)


def saliency_deviation(cases: Sequence[Case]) -> Finding:
    """Hold *saliency deviates by about 7.5 % on average* against the mean absolute deviation of all cells."""
    claim, scope = "Saliency deviates by about 7.5 % on average.", "mean absolute deviation of min-max-normalized maps"
    shifts = [case.comparison.saliency for case in cases]
    groups = [shift.over_all for shift in shifts if shift is not None]
    deviations = [m for group in groups if group and (m := group.mean_absolute_deviation.value) is not None]
    if not deviations:
        return _open(claim, scope)
    mean = float(np.mean(deviations))
    near = PUBLISHED_DEVIATION / NEAR <= mean <= PUBLISHED_DEVIATION * NEAR
    measured = f"{percent(mean)} on average, from {percent(min(deviations))} to {percent(max(deviations))}"
    return Finding(claim=claim, measured=measured, agreement=_agrees(near), scope=scope)


def saliency_systematic(cases: Sequence[Case]) -> Finding:
    """Hold *no systematic shift* against the sign-flip tests of every candidate."""
    claim, scope = "Saliency does not shift in a systematic way.", "sign-flip permutation tests, one per candidate"
    tests = [shift.systematic for case in cases if (shift := case.comparison.saliency) and shift.systematic]
    if not tests:
        return _open(claim, scope)
    moved = sum(test.verdict is ShiftVerdict.SYSTEMATIC for test in tests)
    slightly = sum(test.verdict is ShiftVerdict.NEGLIGIBLE for test in tests)
    measured = f"systematic in {moved} of {len(tests)}; in another {slightly} a shift too small to matter"
    return Finding(claim=claim, measured=measured, agreement=_agrees(not moved), scope=scope)


def _points(measure: Measure) -> str:
    """Return a change in points with its interval, on one line."""
    return points_cell(measure).line


def _mean(values: Iterable[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return float(np.mean(numbers)) if numbers else None


CHECKS: tuple[Callable[[Sequence[Case]], Finding], ...] = (
    accuracy_kept,
    four_bits_ruin,
    datasets_alike,
    order_of_networks,
    sparsity_reached,
    most_flips,
    class_changes,
    confidence_changes,
    saliency_deviation,
    saliency_systematic,
)

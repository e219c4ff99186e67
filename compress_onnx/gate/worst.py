"""The class that lost most: one measure over all classes whose interval may be decided on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from compress_onnx.metrics import PairedCounts, normal_quantile, paired_change
from compress_onnx.records import Better, ClassResult, Interval, Measure, undefined

# The measure's name in a policy.
WORST = "classes.worst.change"


def worst_class_change(classes: Sequence[ClassResult], *, chosen_from: int | None = None) -> Measure:
    """Return the recall change of the class that lost most; undefined without labeled classes.

    The low bound is the lowest of all classes' bounds: *no class lost more than the limit* holds
    when it holds for each of them, and asking each at full level needs no correction
    (intersection-union test; Berger 1982, Technometrics 24, 295-300). *Some class lost more* is
    asked once per class, so the high bound is the lowest of the classes' upper bounds at a level
    corrected for their number (Bonferroni, the first step of Holm 1979). Classes without samples
    do not take part. ``n`` counts the samples of the class that lost most. Where ``classes`` were
    chosen by looking, ``chosen_from`` is the number they were chosen from.
    """
    judged = sampled(classes)
    if not judged:
        return undefined("no class has labeled samples", unit="fraction", better=Better.HIGHER)
    worst = min(judged, key=lambda result: result.change.value or 0.0)
    return dataclasses.replace(worst.change, interval=_joined(judged, chosen_from or len(judged)))


def sampled(classes: Sequence[ClassResult]) -> list[ClassResult]:
    """Return the classes that have a change, in order."""
    return [result for result in classes if result.change.value is not None]


def corrected(result: ClassResult, classes: int) -> Measure:
    """Return a class's change with its interval at the level that asking ``classes`` times needs.

    From the class's counts where the record has them, else with its half-widths stretched by the
    normal quantiles' ratio.
    """
    interval, value = result.change.interval, result.change.value
    if interval is None or value is None:
        return result.change
    level = 1 - (1 - interval.level) / classes
    counts = class_counts(result)
    if counts is not None:
        return dataclasses.replace(result.change, interval=paired_change(counts, level=level).interval)
    stretch = normal_quantile(level) / normal_quantile(interval.level)
    wider = Interval(
        low=max(-1.0, value - stretch * (value - interval.low)),
        high=min(1.0, value + stretch * (interval.high - value)),
        level=level,
        method=f"{interval.method}, stretched",
    )
    return dataclasses.replace(result.change, interval=wider)


def class_counts(result: ClassResult) -> PairedCounts | None:
    """Return the paired counts of a class, ``None`` where the record does not tell them."""
    recall = result.recall_baseline.value
    if result.lost is None or result.won is None or recall is None:
        return None
    both = round(recall * result.support) - result.lost
    return PairedCounts(
        both=both,
        only_baseline=result.lost,
        only_candidate=result.won,
        neither=result.support - both - result.lost - result.won,
    )


def _joined(judged: Sequence[ClassResult], chosen_from: int) -> Interval | None:
    own = [result.change.interval for result in judged]
    wider = [corrected(result, chosen_from).interval for result in judged]
    lows = [interval.low for interval in own if interval is not None]
    highs = [interval.high for interval in wider if interval is not None]
    first = own[0]
    if first is None or len(lows) < len(judged) or len(highs) < len(judged):
        return None
    method = f"lowest low of {len(judged)} classes (intersection-union, Berger 1982), lowest high Bonferroni-corrected"
    return Interval(low=min(lows), high=min(highs), level=first.level, method=f"{method}; each {first.method}")

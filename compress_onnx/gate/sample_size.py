"""How many images would decide an inconclusive rule, if the estimate stayed where it is: a number, and in words."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from compress_onnx.gate.names import segment
from compress_onnx.gate.policy import Rule
from compress_onnx.gate.worst import WORST, class_counts, corrected, sampled
from compress_onnx.metrics import PairedCounts, paired_change, proportion
from compress_onnx.records import ClassResult, Comparison, Interval, Measure

UNMEASURED = "there is no value to start from"
# Far above what rounding does to a fraction, far below what any number of images can tell apart.
_ROUNDING = 1e-12
# Nobody labels more images than this for one decision.
MOST = 10**9


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SampleSize:
    """Images in all and images more that would decide, ``None`` where no number can; in words."""

    total: int | None
    more: int | None
    advice: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A measure with the paired counts behind it, where they are known."""

    measure: Measure
    counts: PairedCounts | None = None


def deciding_size(rule: Rule, name: str, measure: Measure, comparison: Comparison) -> SampleSize:
    """Return what would decide an inconclusive rule on the measure called ``name``.

    A class's rule needs samples of that class; the images in all follow from its share. The worst
    class's rule passes when every class does and fails when one does, so it needs the most that a
    class within the limit needs, or the least that one beyond it does.
    """
    if measure.value is None:
        return _hopeless(UNMEASURED)
    if measure.interval is None:
        return _hopeless("without an interval nobody knows how the value would move")
    if name == WORST:
        return _of_worst(rule, comparison)
    owner = _class_of(name, comparison)
    if owner is not None:
        counts = class_counts(owner) if name.endswith(".change") else None
        return _of_class(owner, deciding_n(rule, Evidence(measure=measure, counts=counts)), comparison)
    counts = _table(comparison) if name == "accuracy.change" else None
    total = deciding_n(rule, Evidence(measure=measure, counts=counts))
    if total is None:
        return _on_the_limit(measure)
    what = "images" if measure.n == comparison.flips.n else "samples"
    more = total - measure.n
    return SampleSize(total=total, more=more, advice=_decides(f"{more:,} more {what} ({total:,} in all)"))


def deciding_n(rule: Rule, evidence: Evidence) -> int | None:
    """Return how many samples in all would decide the rule, at least as many as there are.

    The measure's own interval is computed again at larger counts of the same proportions, rounded
    against the decision, for proportions and paired changes; any other interval's reach is taken
    to shrink with the square root of n. ``None`` where the estimate lies on the limit, there is no
    interval, or more than a thousand million samples would be needed.

    >>> from compress_onnx.metrics.statistics.measures import proportion
    >>> from compress_onnx.records import Better
    >>> deciding_n(Rule(metric="flips.rate", at_most=0.02), Evidence(measure=proportion(0, 50, better=Better.LOWER)))
    183
    """
    measure = evidence.measure
    if measure.value is None or measure.interval is None or measure.n == 0:
        return None
    if abs(rule.slack(measure.value)) < _ROUNDING:
        return None
    interval_at = _interval_at(rule, evidence)

    def decided(n: int) -> bool:
        interval = interval_at(n)
        slacks = (rule.slack(interval.low), rule.slack(interval.high))
        return min(slacks) >= 0 or max(slacks) < 0

    return _first(decided, measure.n)


def _table(comparison: Comparison) -> PairedCounts | None:
    """Return which of the two models was right how often, over all images."""
    flips, right = comparison.flips, comparison.accuracy.baseline.value
    if flips.negative is None or flips.positive is None or right is None:
        return None
    both = round(right * flips.n) - flips.negative
    return PairedCounts(
        both=both,
        only_baseline=flips.negative,
        only_candidate=flips.positive,
        neither=flips.n - both - flips.negative - flips.positive,
    )


def _class_of(name: str, comparison: Comparison) -> ClassResult | None:
    return next((r for r in comparison.classes if name.startswith(f"classes.{segment(r.class_name)}.")), None)


def _of_worst(rule: Rule, comparison: Comparison) -> SampleSize:
    judged = sampled(comparison.classes)
    beyond = [result for result in judged if rule.slack(result.change.value or 0.0) < 0]
    if beyond:
        wider = [Evidence(measure=corrected(r, len(judged)), counts=class_counts(r)) for r in beyond]
        sizes = [_of_class(r, deciding_n(rule, e), comparison) for r, e in zip(beyond, wider, strict=True)]
        decidable = [size for size in sizes if size.total is not None]
        return min(decidable, key=lambda size: size.total or 0, default=sizes[0])
    doubtful = [r for r in judged if r.change.interval is not None and rule.slack(r.change.interval.low) < 0]
    sizes = [
        _of_class(r, deciding_n(rule, Evidence(measure=r.change, counts=class_counts(r))), comparison) for r in doubtful
    ]
    hopeless = [size for size in sizes if size.total is None]
    if hopeless or not sizes:
        return hopeless[0] if hopeless else _hopeless("no class is in doubt")
    largest = max(sizes, key=lambda size: size.total or 0)
    others = f"; {len(sizes)} classes are in doubt, this one needs most" if len(sizes) > 1 else ""
    return dataclasses.replace(largest, advice=largest.advice + others)


def _of_class(result: ClassResult, total: int | None, comparison: Comparison) -> SampleSize:
    if total is None:
        return _on_the_limit(result.change, f" of class {result.class_name}")
    images = comparison.flips.n
    in_all = math.ceil(total * images / result.support)
    more = in_all - images
    text = (
        f"{total - result.support:,} more images of class {result.class_name} ({total:,} in all), which at its share of "
        f"{result.support / images:.2%} are {more:,} more of the data set ({in_all:,} in all),"
    )
    return SampleSize(total=in_all, more=more, advice=_decides(text))


def _decides(what: str) -> str:
    return f"about {what} would decide it if the estimate stayed"


def _on_the_limit(measure: Measure, of: str = "") -> SampleSize:
    return _hopeless(f"the estimate{of}, {measure.value:.4g}, lies on the limit or too close to it")


def _hopeless(reason: str) -> SampleSize:
    return SampleSize(total=None, more=None, advice=f"no number of images decides it: {reason}")


def _first(decided: Callable[[int], bool], start: int) -> int | None:
    """Return the first number from ``start`` on that decides, by doubling and halving."""
    if decided(start):
        return start
    below, above = start, 2 * start
    while not decided(above):
        if above > MOST:
            return None
        below, above = above, 2 * above
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if decided(middle) else (middle, above)
    return above


def _interval_at(rule: Rule, evidence: Evidence) -> Callable[[int], Interval]:
    """Return the interval of a measure as a function of n."""
    measure, counts = evidence.measure, evidence.counts
    value, interval = measure.value, measure.interval
    if value is None or interval is None:
        message = "an undefined measure has no interval"
        raise ValueError(message)
    # Rounded towards the limit: a whole sample more against the decision.
    upwards = (rule.at_most is not None) == (rule.slack(value) > 0)
    if counts is not None and paired_change(counts, level=interval.level).interval == interval:
        return lambda n: _interval_of(paired_change(_scaled(counts, n, upwards=upwards), level=interval.level))
    if _is_proportion(measure, value):
        return lambda n: _interval_of(proportion(_whole(value * n, upwards=upwards), n, better=measure.better))

    def stretched(n: int) -> Interval:
        shrink = math.sqrt(measure.n / n)
        return dataclasses.replace(
            interval, low=value - shrink * (value - interval.low), high=value + shrink * (interval.high - value)
        )

    return stretched


def _is_proportion(measure: Measure, value: float) -> bool:
    if measure.unit != "fraction" or not 0 <= value <= 1:
        return False
    return proportion(round(value * measure.n), measure.n, better=measure.better).interval == measure.interval


def _scaled(counts: PairedCounts, n: int, *, upwards: bool) -> PairedCounts:
    factor = n / counts.n
    lost = _whole(counts.only_baseline * factor, upwards=not upwards)
    won = _whole(counts.only_candidate * factor, upwards=upwards)
    both = min(round(counts.both * factor), n - lost - won)
    return PairedCounts(both=both, only_baseline=lost, only_candidate=won, neither=n - lost - won - both)


def _whole(count: float, *, upwards: bool) -> int:
    """Round to a whole count, forgiving what floating point adds to one."""
    return math.ceil(count - 1e-6) if upwards else math.floor(count + 1e-6)


def _interval_of(measure: Measure) -> Interval:
    if measure.interval is None:
        message = "counted samples have an interval"
        raise ValueError(message)
    return measure.interval

"""How many samples would decide an inconclusive rule, if the estimate stayed where it is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from compress_onnx.gate.policy import Rule
from compress_onnx.metrics import PairedCounts, paired_change, proportion
from compress_onnx.records import Interval, Measure

# Far above what rounding does to a fraction, far below what any number of images can tell apart.
_ROUNDING = 1e-12
# Nobody labels more images than this for one decision.
MOST = 10**9


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A measure with the paired counts behind it, where they are known."""

    measure: Measure
    counts: PairedCounts | None = None


def enough(rule: Rule, evidence: Evidence) -> int | None:
    """Return how many samples in all would decide the rule, at least as many as there are.

    The measure's own interval is computed again at larger counts of the same proportions, rounded
    against the decision, for proportions and paired changes; any other interval's reach is taken
    to shrink with the square root of n. ``None`` where the estimate lies on the limit, there is no
    interval, or more than a thousand million samples would be needed.

    >>> from compress_onnx.metrics.statistics.measures import proportion
    >>> from compress_onnx.records import Better
    >>> enough(Rule(metric="flips.rate", at_most=0.02), Evidence(measure=proportion(0, 50, better=Better.LOWER)))
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
        return lambda n: _known(paired_change(_scaled(counts, n, upwards=upwards), level=interval.level))
    if _is_proportion(measure, value):
        return lambda n: _known(proportion(_whole(value * n, upwards=upwards), n, better=measure.better))

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


def _known(measure: Measure) -> Interval:
    if measure.interval is None:
        message = "counted samples have an interval"
        raise ValueError(message)
    return measure.interval

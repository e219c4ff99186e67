"""What an inconclusive rule needs: images in all, images more, and the same in words."""

from __future__ import annotations

import dataclasses
import math

from compress_onnx.gate.names import segment
from compress_onnx.gate.policy import Rule
from compress_onnx.gate.samples import Evidence, enough
from compress_onnx.gate.worst import class_counts, corrected, sampled
from compress_onnx.metrics import PairedCounts
from compress_onnx.records import ClassResult, Comparison, Measure

WORST = "classes.worst.change"
UNMEASURED = "there is no value to start from"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Images in all and images more that would decide, ``None`` where no number can; in words."""

    total: int | None
    more: int | None
    advice: str


def need(rule: Rule, name: str, measure: Measure, comparison: Comparison) -> Need:
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
        return _of_class(owner, enough(rule, Evidence(measure=measure, counts=counts)), comparison)
    counts = _table(comparison) if name == "accuracy.change" else None
    total = enough(rule, Evidence(measure=measure, counts=counts))
    if total is None:
        return _on_the_limit(measure)
    what = "images" if measure.n == comparison.flips.n else "samples"
    more = total - measure.n
    return Need(total=total, more=more, advice=_decides(f"{more:,} more {what} ({total:,} in all)"))


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


def _of_worst(rule: Rule, comparison: Comparison) -> Need:
    judged = sampled(comparison.classes)
    beyond = [result for result in judged if rule.slack(result.change.value or 0.0) < 0]
    if beyond:
        wider = [Evidence(measure=corrected(r, len(judged)), counts=class_counts(r)) for r in beyond]
        found = [(_of_class(r, enough(rule, e), comparison), r) for r, e in zip(beyond, wider, strict=True)]
        decidable = [one for one, _ in found if one.total is not None]
        return min(decidable, key=lambda one: one.total or 0, default=found[0][0])
    doubtful = [r for r in judged if r.change.interval is not None and rule.slack(r.change.interval.low) < 0]
    needs = [
        _of_class(r, enough(rule, Evidence(measure=r.change, counts=class_counts(r))), comparison) for r in doubtful
    ]
    hopeless = [one for one in needs if one.total is None]
    if hopeless or not needs:
        return hopeless[0] if hopeless else _hopeless("no class is in doubt")
    largest = max(needs, key=lambda one: one.total or 0)
    others = f"; {len(needs)} classes are in doubt, this one needs most" if len(needs) > 1 else ""
    return dataclasses.replace(largest, advice=largest.advice + others)


def _of_class(result: ClassResult, total: int | None, comparison: Comparison) -> Need:
    if total is None:
        return _on_the_limit(result.change, f" of class {result.class_name}")
    images = comparison.flips.n
    in_all = math.ceil(total * images / result.support)
    more = in_all - images
    text = (
        f"{total - result.support:,} more images of class {result.class_name} ({total:,} in all), which at its share of "
        f"{result.support / images:.2%} are {more:,} more of the data set ({in_all:,} in all),"
    )
    return Need(total=in_all, more=more, advice=_decides(text))


def _decides(what: str) -> str:
    return f"about {what} would decide it if the estimate stayed"


def _on_the_limit(measure: Measure, of: str = "") -> Need:
    return _hopeless(f"the estimate{of}, {measure.value:.4g}, lies on the limit or too close to it")


def _hopeless(reason: str) -> Need:
    return Need(total=None, more=None, advice=f"no number of images decides it: {reason}")

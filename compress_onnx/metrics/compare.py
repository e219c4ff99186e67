"""All output metrics of one candidate against its baseline, gathered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.metrics.outputs import (
    accuracy_change,
    class_pattern,
    class_results,
    confidence_shift,
    confusion_change,
    flip_summary,
    output_divergence,
    uncertainty_shift,
)
from compress_onnx.options import SEED
from compress_onnx.records import (
    AccuracyChange,
    ClassPattern,
    ClassResult,
    ConfidenceShift,
    ConfusionChange,
    FlipSummary,
    OutputDivergence,
    UncertaintyShift,
    record,
)

if TYPE_CHECKING:
    from compress_onnx.metrics.outputs import LogitPair


@record
class OutputComparison:
    """What two models' outputs on the same samples say; the fields are those of ``Comparison``."""

    accuracy: AccuracyChange
    flips: FlipSummary
    classes: tuple[ClassResult, ...]
    confusion: ConfusionChange | None
    confidence: ConfidenceShift
    class_pattern: ClassPattern
    divergence: OutputDivergence
    uncertainty: UncertaintyShift


def compare_outputs(pair: LogitPair, *, seed: int = SEED.default) -> OutputComparison:
    """Return all that the metrics say about a pair; what needs labels is undefined without them.

    ``seed`` draws permutations and halves: the same pair and seed give the same record, and candidates of one run
    share the halves.

    >>> from compress_onnx.metrics.outputs.pair import LogitPair
    >>> logits = np.eye(3, dtype=np.float32)
    >>> pair = LogitPair(labels=None, baseline=logits, candidate=logits, class_names=("a", "b", "c"))
    >>> compare_outputs(pair).flips.flips
    0
    """
    return OutputComparison(
        accuracy=accuracy_change(pair),
        flips=flip_summary(pair),
        classes=class_results(pair),
        confusion=confusion_change(pair),
        confidence=confidence_shift(pair),
        class_pattern=class_pattern(pair, np.random.default_rng(seed)),
        divergence=output_divergence(pair),
        uncertainty=uncertainty_shift(pair, seed),
    )

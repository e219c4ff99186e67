"""Statistics that compare a baseline and a candidate classifier: pure NumPy and SciPy.

Start with :class:`LogitPair` and :func:`compare_outputs`; the single metrics stand in their modules.
"""

from __future__ import annotations

from compress_onnx.metrics.accuracy import accuracy_change
from compress_onnx.metrics.classes import class_results
from compress_onnx.metrics.compare import OutputComparison, compare_outputs
from compress_onnx.metrics.confidence import confidence_shift
from compress_onnx.metrics.confusion import confusion_change, confusion_tables, most_changed
from compress_onnx.metrics.divergence import jensen_shannon, kullback_leibler, output_divergence
from compress_onnx.metrics.flips import flip_kinds, flip_summary
from compress_onnx.metrics.pair import LogitPair
from compress_onnx.metrics.pattern import class_pattern
from compress_onnx.metrics.saliency_group import map_similarities, saliency_group, summarized
from compress_onnx.metrics.uncertainty import uncertainty_shift

__all__ = [
    "LogitPair",
    "OutputComparison",
    "accuracy_change",
    "class_pattern",
    "class_results",
    "compare_outputs",
    "confidence_shift",
    "confusion_change",
    "confusion_tables",
    "flip_kinds",
    "flip_summary",
    "jensen_shannon",
    "kullback_leibler",
    "map_similarities",
    "most_changed",
    "output_divergence",
    "saliency_group",
    "summarized",
    "uncertainty_shift",
]

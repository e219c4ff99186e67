"""A metric from outside: how often the class in second place stays in second place."""

import numpy as np

from compress_onnx.extension_points import PredictionPair
from compress_onnx.metrics.statistics.measures import proportion
from compress_onnx.records.base import Better, Measure


def runner_up_kept(pair: PredictionPair) -> Measure:
    """Return the fraction of images whose second class is the same for both models."""
    before, after = (np.argsort(-logits, axis=1, kind="stable")[:, 1] for logits in (pair.baseline, pair.candidate))
    return proportion(int(np.sum(before == after)), len(before), better=Better.HIGHER)

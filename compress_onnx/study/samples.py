"""The columns of ``samples.parquet``: one row per sample and candidate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_onnx.metrics import LogitPair
from compress_onnx.metrics import flip_kinds


def sample_columns(
    name: str, sample_ids: NDArray[np.str_], pair: LogitPair, *, deviation: NDArray[np.float32]
) -> dict[str, NDArray[Any]]:
    """Return one candidate's columns, each (N,); ``deviation`` is NaN where it was not computed."""
    before, after = pair.baseline_scores, pair.candidate_scores
    labels = np.full(pair.n, -1, dtype=np.int64) if pair.labels is None else pair.labels
    return {
        "sample_id": sample_ids,
        "candidate": np.full(pair.n, name),
        "label": labels,
        "baseline_class": before.predicted.astype(np.int64),
        "candidate_class": after.predicted.astype(np.int64),
        "baseline_confidence": before.confidence.astype(np.float32),
        "candidate_confidence": after.confidence.astype(np.float32),
        "baseline_margin": before.margin.astype(np.float32),
        "candidate_margin": after.margin.astype(np.float32),
        "flip_kind": flip_kinds(before.predicted, after.predicted, pair.labels).astype(str),
        "saliency_deviation": deviation.astype(np.float32),
    }

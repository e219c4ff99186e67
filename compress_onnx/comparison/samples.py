"""The columns of ``samples.parquet``: one row per sample and candidate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_onnx.data import ImageSet
from compress_onnx.metrics import LogitPair, flip_kinds
from compress_onnx.records import Preprocessing
from compress_onnx.report import map_png, png


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


Maps = Mapping[tuple[int, str], NDArray[np.float32]]
"""Attribution maps (H, W) by sample's row and artifact's name."""


def shown_rows(pair: LogitPair, limit: int) -> NDArray[np.int64]:
    """Return the rows of the flips to show, at most ``limit``, ascending: the most confident ones.

    A flip is the more telling the surer both models are of their answers.
    """
    flipped = np.flatnonzero(pair.flipped)
    sureness = np.minimum(pair.baseline_scores.confidence, pair.candidate_scores.confidence)[flipped]
    return np.sort(flipped[np.argsort(-sureness, kind="stable")[:limit]])


def shown_pictures(
    rows: NDArray[np.int64], images: ImageSet, maps: Maps, *, preprocessing: Preprocessing
) -> dict[tuple[str, str], bytes]:
    """Return PNG bytes by (sample id, artifact name); the picture itself has the empty name.

    ``maps`` of other rows than ``rows`` are left out.
    """
    found = {}
    wanted = set(rows.tolist())
    for row in sorted(wanted):
        found[str(images.sample_ids[row]), ""] = png(images.pixels(row, row + 1, preprocessing)[0])
    for (row, artifact), saliency in maps.items():
        if row in wanted:
            found[str(images.sample_ids[row]), artifact] = map_png(saliency)
    return found

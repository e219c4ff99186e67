"""Which samples the report shows with pictures, and the PNG bytes it shows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from compress_onnx.data import ImageSet
from compress_onnx.metrics import LogitPair
from compress_onnx.records import Preprocessing
from compress_onnx.report import map_png, png

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

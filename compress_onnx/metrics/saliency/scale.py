"""Where a candidate lies between the two anchors, noise (0) and chance (1), and how sure that is."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from compress_onnx.metrics.saliency.group import MEASURES
from compress_onnx.metrics.statistics import bca_interval, resampled_means, without_each
from compress_onnx.records import Better, Measure, SaliencyScale, undefined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compress_onnx.metrics.saliency.group import MapSimilarities
    from compress_onnx.records import Interval

SCALE = "fraction"
DEVIATION = "mean_absolute_deviation"
FURTHER = tuple(field.name for field in dataclasses.fields(SaliencyScale))
NO_LENGTH = "the randomized ceiling does not lie beyond the noise floor"
NO_SAMPLES = "there are no samples"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anchors:
    """The baseline's per-sample similarities to itself under noise, and to copies with re-drawn weights.

    ``ceiling`` is ``None`` where the copies have no maps, for the reason ``missing``.
    """

    floor: MapSimilarities
    ceiling: MapSimilarities | None
    missing: str | None = None


def scale_positions(
    candidate: MapSimilarities, anchors: Anchors, mask: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Measure, SaliencyScale]:
    """Return the candidate's position by deviation, and by the further measures, over the samples in ``mask`` (N,).

    ``(mean candidate - mean floor) / (mean ceiling - mean floor)``, not cut at 0 and 1, with a BCa
    bootstrap over samples that draws candidate, floor and ceiling together. No interval where a
    resample turns the scale round: it is too short to say.
    """
    names = (DEVIATION, *FURTHER)
    if anchors.ceiling is None or not mask.any():
        positions = dict.fromkeys(names, no_position(anchors.missing or NO_SAMPLES))
    else:
        sides = (candidate, anchors.floor, anchors.ceiling)
        columns = np.stack([side.columns(names)[mask] for side in sides], axis=2)
        positions = _positions(columns, names, rng)
    deviation = positions.pop(DEVIATION)
    return deviation, SaliencyScale(**positions)


def no_position(reason: str) -> Measure:
    """Return the position of a candidate that has none, with the reason.

    >>> no_position("nothing was compared").unit
    'fraction'
    """
    return undefined(reason, unit=SCALE, better=Better.LOWER)


def no_positions(reason: str) -> tuple[Measure, SaliencyScale]:
    """Return no position by any measure, with the reason.

    >>> no_positions("nothing was compared")[1].ssim.undefined_reason
    'nothing was compared'
    """
    return no_position(reason), SaliencyScale(**dict.fromkeys(FURTHER, no_position(reason)))


def _positions(columns: NDArray[np.float64], names: tuple[str, ...], rng: np.random.Generator) -> dict[str, Measure]:
    """Return the position by each measure of (N, M, 3) candidate, floor and ceiling values."""
    n = len(columns)
    # Turned so that every measure grows from the floor towards the ceiling.
    turned = columns * np.array([1 if MEASURES[name][1] == Better.LOWER else -1 for name in names])[:, None]
    observed = turned.mean(axis=0)
    resampled = resampled_means(turned.reshape(n, -1), rng).reshape(-1, *turned.shape[1:])
    left_out = without_each(turned) if n > 1 else turned[:0]
    return {name: _position(observed[one], resampled[:, one], left_out[:, one], n) for one, name in enumerate(names)}


def _position(
    observed: NDArray[np.float64], resampled: NDArray[np.float64], left_out: NDArray[np.float64], n: int
) -> Measure:
    if observed[2] <= observed[1]:
        return no_position(NO_LENGTH)
    value = float(_ratio(observed))
    return Measure(value=value, unit=SCALE, better=Better.LOWER, n=n, interval=_interval(value, resampled, left_out))


def _interval(value: float, resampled: NDArray[np.float64], left_out: NDArray[np.float64]) -> Interval | None:
    everything = np.concatenate([resampled, left_out])
    if len(left_out) == 0 or (everything[:, 2] <= everything[:, 1]).any():
        return None
    return bca_interval(value, _ratio(resampled), _ratio(left_out))


def _ratio(sides: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the way from floor to candidate over that from floor to ceiling, along the last axis."""
    return np.asarray((sides[..., 0] - sides[..., 1]) / (sides[..., 2] - sides[..., 1]))

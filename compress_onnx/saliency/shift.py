"""How far a candidate's attention moved from the baseline's, on a scale from noise to chance.

The baseline is explained once (:func:`explain_baseline`); every candidate is then held against it
(:meth:`BaselineSaliency.against`). Where a twin cannot be built or does not agree with ONNX
Runtime, the record says why and the comparison goes on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from torch import nn

from compress_onnx.config import Progress, silent
from compress_onnx.errors import ModelError, UnknownNameError
from compress_onnx.extension_points import attribution
from compress_onnx.metrics.saliency_group import MapSimilarities, map_similarities, summarised
from compress_onnx.metrics.saliency_similarity import normalised
from compress_onnx.records import SaliencyShift, TwinFidelity
from compress_onnx.saliency.anchors import noise_floor, randomised_ceiling
from compress_onnx.saliency.attribution import Predict, explained_module
from compress_onnx.saliency.batching import between
from compress_onnx.saliency.fidelity import UNTESTED, faithful_twin
from compress_onnx.saliency.task import SaliencyTask

Maps = NDArray[np.float32]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SaliencyOutcome:
    """A candidate's saliency: the record, and what the report shows beside it.

    ``deviation`` (N,) float64 per sample, in the order of the inputs; ``kept_baseline`` and
    ``kept_candidate`` (K, H, W) float32 are the maps of the kept samples, scaled to 0 to 1. All
    three are ``None`` where the record is undefined.
    """

    shift: SaliencyShift
    deviation: NDArray[np.float64] | None = None
    kept_baseline: Maps | None = None
    kept_candidate: Maps | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BaselineSaliency:
    """The baseline explained: maps (N, H, W) and the two anchors, or ``None`` and the reason."""

    task: SaliencyTask
    fidelity: TwinFidelity
    maps: Maps | None = None
    noise_floor: float | None = None
    randomised_ceiling: float | None = None
    undefined_reason: str | None = None

    def against(  # noqa: PLR0913  # a file, its answers, and the session that gives others
        self,
        candidate: onnx.ModelProto,
        logits: NDArray[np.float32],
        *,
        flipped: NDArray[np.bool_],
        rng: np.random.Generator,
        progress: Progress = silent,
        predict: Predict | None = None,
    ) -> SaliencyOutcome:
        """Return how far a candidate's maps lie from the baseline's.

        ``logits`` (N, classes) are ONNX Runtime's for the candidate on the task's inputs;
        ``flipped`` (N,) marks changed predictions; ``rng`` draws the bootstraps. Maps are compared
        batch by batch: only per-sample numbers and the kept maps stay. ``predict`` gives ONNX Runtime's
        logits, for a method that runs on the session.
        """
        if self.maps is None:
            return self._undefined(UNTESTED, self.undefined_reason)
        counts = self.task.counts
        checked = faithful_twin(candidate, self.task.inputs, logits, progress=between(progress, 0.0, 0.4))
        if checked.twin is None:
            return self._undefined(checked.fidelity, f"Candidate: {checked.reason}")
        try:
            module = explained_module(attribution(self.task.method), checked.twin, predict)
            values, kept = _compared(self.task, self.maps, module, between(progress, 0.4, 1.0))
        except (ModelError, UnknownNameError) as error:
            return self._undefined(checked.fidelity, f"Candidate: {error}")
        return SaliencyOutcome(
            shift=dataclasses.replace(
                self._record(checked.fidelity),
                over_all=summarised(values, counts, rng),
                over_same=summarised(values, counts & ~flipped, rng),
                over_flipped=summarised(values, counts & flipped, rng),
            ),
            deviation=values.mean_absolute_deviation,
            kept_baseline=_scaled(self.maps[self.task.keep]),
            kept_candidate=_scaled(kept),
        )

    def _undefined(self, candidate: TwinFidelity, reason: str | None) -> SaliencyOutcome:
        return SaliencyOutcome(shift=dataclasses.replace(self._record(candidate), undefined_reason=reason))

    def _record(self, candidate: TwinFidelity) -> SaliencyShift:
        return SaliencyShift(
            method=self.task.method,
            target=self.task.target,
            n=int(self.task.counts.sum()),
            fidelity_baseline=self.fidelity,
            fidelity_candidate=candidate,
            over_all=None,
            over_same=None,
            over_flipped=None,
            noise_floor=self.noise_floor,
            randomised_ceiling=self.randomised_ceiling,
        )


def explain_baseline(  # noqa: PLR0913  # see BaselineSaliency.against
    baseline: onnx.ModelProto,
    logits: NDArray[np.float32],
    task: SaliencyTask,
    *,
    rng: np.random.Generator,
    progress: Progress = silent,
    predict: Predict | None = None,
) -> BaselineSaliency:
    """Explain the baseline once, for any number of candidates.

    ``logits`` (N, classes) are ONNX Runtime's for the baseline on the task's inputs; ``rng`` draws
    the floor's noise and the ceiling's weights; ``predict`` as in :meth:`BaselineSaliency.against`. No samples: undefined, with that reason.

    Errors
    ------
    DataError
        if inputs, targets and logits do not belong together.
    UnknownNameError
        if there is no attribution of the task's name, or the baseline lacks the layer it names.
    """
    task.check(logits)
    if not task.counts.any():
        return BaselineSaliency(task=task, fidelity=UNTESTED, undefined_reason="No samples were chosen.")
    checked = faithful_twin(baseline, task.inputs, logits, progress=between(progress, 0.0, 0.2))
    if checked.twin is None:
        return BaselineSaliency(task=task, fidelity=checked.fidelity, undefined_reason=f"Baseline: {checked.reason}")
    try:
        module = explained_module(attribution(task.method), checked.twin, predict)
        maps, floor, ceiling = _explained(module, task, rng, between(progress, 0.2, 1.0))
    except ModelError as error:
        return BaselineSaliency(task=task, fidelity=checked.fidelity, undefined_reason=f"Baseline: {error}")
    return BaselineSaliency(
        task=task, fidelity=checked.fidelity, maps=maps, noise_floor=floor, randomised_ceiling=ceiling
    )


def _explained(
    twin: nn.Module, task: SaliencyTask, rng: np.random.Generator, progress: Progress
) -> tuple[Maps, float, float | None]:
    """Return the baseline's maps (N, H, W), noise floor and randomised ceiling."""
    maps = np.concatenate([batch for _, batch in task.maps(twin, between(progress, 0.0, 0.33))])
    floor = noise_floor(twin, task, maps, rng=rng, progress=between(progress, 0.33, 0.67))
    ceiling = randomised_ceiling(twin, task, maps, rng=rng, progress=between(progress, 0.67, 1.0))
    return maps, floor, ceiling


def _compared(task: SaliencyTask, baseline: Maps, twin: nn.Module, progress: Progress) -> tuple[MapSimilarities, Maps]:
    """Return the similarities of all N map pairs and the candidate's kept maps (K, H, W)."""
    kept = np.zeros((len(task.keep), *baseline.shape[1:]), dtype=np.float32)
    parts = []
    for rows, maps in task.maps(twin, progress):
        parts.append(map_similarities(baseline[rows], maps))
        here = (task.keep >= rows.start) & (task.keep < rows.stop)
        kept[here] = maps[task.keep[here] - rows.start]
    return _joined(parts), kept


def _joined(parts: Sequence[MapSimilarities]) -> MapSimilarities:
    names = [field.name for field in dataclasses.fields(MapSimilarities)]
    return MapSimilarities(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _scaled(maps: Maps) -> Maps:
    return normalised(maps).astype(np.float32)

"""How far a candidate's attention moved from the baseline's, on a scale from noise to chance.

The baseline is explained once (:func:`explain_baseline`); every candidate is then held against it
(:meth:`BaselineSaliency.against`). Where a twin cannot be built or does not agree with ONNX
Runtime, the record says why and the comparison goes on. Inputs pass in batches and the baseline's
maps lie in a temporary file: memory grows neither with the samples nor with the candidates.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import onnx
from numpy.typing import NDArray
from torch import nn

from compress_onnx.errors import ModelError, UnknownNameError
from compress_onnx.metrics import MeanMaps, no_positions, scale_positions, summarized, untested
from compress_onnx.options import Progress, silent
from compress_onnx.records import SaliencyGroup, SaliencyShift, TwinFidelity
from compress_onnx.saliency.attribution import Predict
from compress_onnx.saliency.batching import between
from compress_onnx.saliency.fidelity import UNTESTED, faithful_twin
from compress_onnx.saliency.floor_ceiling import ExplainedBaseline, explained_with_anchors
from compress_onnx.saliency.map_comparison import ComparedMaps, MapPairs, compare_maps, explained_pairs
from compress_onnx.saliency.task import SaliencyTask

NO_SAMPLES = "No samples were chosen."
NO_FLIP = "no explained sample has another class"
NO_MATCH = "every explained sample has another class"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SaliencyCandidate:
    """A model to hold against the baseline.

    ``logits`` are ONNX Runtime's on the inputs that the task checks, ``flipped`` (N,) marks changed
    predictions, ``predict`` gives the session's logits for a method that runs on it. The maps of the rows ``keep`` (K,) int64 are handed out, and those of ``others``, samples
    that are only shown: they count in no figure.
    """

    model: onnx.ModelProto
    logits: NDArray[np.float32]
    flipped: NDArray[np.bool_]
    keep: NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    others: SaliencyTask | None = None
    predict: Predict | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SaliencyOutcome:
    """A candidate's saliency: the record, and what the report shows beside it.

    ``deviation`` (N,) float64 per sample, in the order of the inputs; ``kept_maps`` are the map pairs of
    the kept_maps samples, ``others`` those of the samples that are only shown. ``examples`` (E,) are the
    rows of the sample with the median and with the largest deviation, ``example_maps`` their maps;
    ``means`` the mean maps. All are ``None`` where the record is undefined.
    """

    shift: SaliencyShift
    deviation: NDArray[np.float64] | None = None
    kept_maps: MapPairs | None = None
    others: MapPairs | None = None
    examples: NDArray[np.int64] | None = None
    example_maps: MapPairs | None = None
    means: MeanMaps | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BaselineSaliency:
    """The baseline explained: twin, maps and the two anchors, or ``None`` and the reason."""

    task: SaliencyTask
    fidelity: TwinFidelity
    twin: nn.Module | None = None
    explained: ExplainedBaseline | None = None
    floor: SaliencyGroup | None = None
    ceiling: SaliencyGroup | None = None
    undefined_reason: str | None = None

    def against(
        self, candidate: SaliencyCandidate, *, rng: np.random.Generator, progress: Progress = silent
    ) -> SaliencyOutcome:
        """Return how far a candidate's maps lie from the baseline's; ``rng`` draws bootstraps and signs.

        Maps are compared batch by batch: only per-sample numbers, sums and the kept maps stay.
        """
        if self.twin is None or self.explained is None:
            return self.undefined(UNTESTED, self.undefined_reason or NO_SAMPLES)
        checked = faithful_twin(
            candidate.model, self.task.checks, candidate.logits, progress=between(progress, 0.0, 0.3)
        )
        if checked.twin is None:
            return self.undefined(checked.fidelity, f"Candidate: {checked.reason}")
        sign_rng, draw_rng = rng.spawn(2)
        try:
            module = self.task.explained(checked.twin, candidate.predict)
            maps = compare_maps(self.task, self.explained, module, rng=sign_rng, progress=between(progress, 0.3, 0.9))
            others = explained_pairs(candidate.others, self.twin, module)
        except (ModelError, UnknownNameError) as error:
            return self.undefined(checked.fidelity, f"Candidate: {error}")
        shift = self._measured(self._record(checked.fidelity), maps, candidate.flipped, draw_rng)
        progress(1.0, f"{self.task.method} maps summarized")
        return self._outcome(shift, maps, candidate, others)

    def undefined(self, fidelity: TwinFidelity, reason: str) -> SaliencyOutcome:
        """Return the outcome for a candidate without saliency, with the reason."""
        position, scale = no_positions(reason)
        return SaliencyOutcome(
            shift=dataclasses.replace(
                self._record(fidelity),
                undefined_reason=reason,
                scale_position=position,
                scale=scale,
                systematic=untested(reason, n=0),
            )
        )

    def _measured(
        self, record: SaliencyShift, maps: ComparedMaps, flipped: NDArray[np.bool_], rng: np.random.Generator
    ) -> SaliencyShift:
        values, every = maps.similarities, np.ones(len(self.task), dtype=np.bool_)
        position, scale = scale_positions(values, maps.baseline.anchors, every, rng)
        same, changed = summarized(values, ~flipped, rng), summarized(values, flipped, rng)
        return dataclasses.replace(
            record,
            over_all=summarized(values, every, rng),
            over_same=same,
            over_flipped=changed,
            over_same_undefined_reason=NO_MATCH if same is None else None,
            over_flipped_undefined_reason=NO_FLIP if changed is None else None,
            scale_position=position,
            scale=scale,
            systematic=maps.systematic(self.task, rng),
            flat_candidate=maps.flat,
        )

    @staticmethod
    def _outcome(
        shift: SaliencyShift, maps: ComparedMaps, candidate: SaliencyCandidate, others: MapPairs | None
    ) -> SaliencyOutcome:
        examples = telling_examples(maps.similarities.mean_absolute_deviation)
        return SaliencyOutcome(
            shift=shift,
            deviation=maps.similarities.mean_absolute_deviation,
            kept_maps=maps.pairs(candidate.keep),
            others=others,
            examples=examples,
            example_maps=maps.pairs(examples),
            means=maps.mean_shift.maps(),
        )

    def _record(self, candidate: TwinFidelity) -> SaliencyShift:
        explained = self.explained
        return SaliencyShift(
            method=self.task.method,
            target=self.task.target,
            n=len(self.task),
            fidelity_baseline=self.fidelity,
            fidelity_candidate=candidate,
            over_all=None,
            over_same=None,
            over_flipped=None,
            noise_floor=_deviation(self.floor),
            randomized_ceiling=_deviation(self.ceiling),
            floor=self.floor,
            ceiling=self.ceiling,
            ceiling_undefined_reason=None if explained is None else explained.anchors.missing,
            flat_baseline=0 if explained is None else explained.flat,
        )


def explain_baseline(
    baseline: onnx.ModelProto,
    logits: NDArray[np.float32],
    task: SaliencyTask,
    *,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> BaselineSaliency:
    """Explain the baseline once, for any number of candidates.

    ``logits`` are ONNX Runtime's for the baseline on the inputs that the task checks; ``rng`` draws
    the floor's noise and the ceiling's weights. No samples: undefined, with that reason.

    Errors
    ------
    DataError
        if inputs, targets and logits do not belong together.
    UnknownNameError
        if there is no attribution of the task's name, or the baseline lacks the layer it names.
    """
    task.check(logits)
    if len(task) == 0:
        return BaselineSaliency(task=task, fidelity=UNTESTED, undefined_reason=NO_SAMPLES)
    checked = faithful_twin(baseline, task.checks, logits, progress=between(progress, 0.0, 0.1))
    if checked.twin is None:
        return BaselineSaliency(task=task, fidelity=checked.fidelity, undefined_reason=f"Baseline: {checked.reason}")
    anchor_rng, draw_rng = rng.spawn(2)
    try:
        module = task.explained(checked.twin, task.predict)
        explained = explained_with_anchors(module, task, rng=anchor_rng, progress=between(progress, 0.1, 1.0))
    except ModelError as error:
        return BaselineSaliency(task=task, fidelity=checked.fidelity, undefined_reason=f"Baseline: {error}")
    every, anchors = np.ones(len(task), dtype=np.bool_), explained.anchors
    return BaselineSaliency(
        task=task,
        fidelity=checked.fidelity,
        twin=module,
        explained=explained,
        floor=summarized(anchors.floor, every, draw_rng),
        ceiling=None if anchors.ceiling is None else summarized(anchors.ceiling, every, draw_rng),
    )


def telling_examples(deviation: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rows of the median and of the largest deviation (the first of equals); one row of one sample.

    >>> telling_examples(np.array([0.1, 0.5, 0.2])).tolist()
    [2, 1]
    """
    order = np.argsort(deviation, kind="stable")
    rows = [order[(len(order) - 1) // 2], np.argmax(deviation)]
    return np.array(list(dict.fromkeys(int(row) for row in rows)), dtype=np.int64)


def _deviation(anchor: SaliencyGroup | None) -> float | None:
    return None if anchor is None else anchor.mean_absolute_deviation.value

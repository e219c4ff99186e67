"""The saliency stage: which samples are explained, and each candidate held against the baseline."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from compress_onnx.config import Stages
from compress_onnx.data.images import ImageSet
from compress_onnx.graph import load_model
from compress_onnx.metrics import LogitPair
from compress_onnx.records import Predictions, SaliencyShift
from compress_onnx.study.contestants import Contestant
from compress_onnx.study.explained import deployed_file, explained_targets
from compress_onnx.study.options import NO_SALIENCY, CompareOptions

if TYPE_CHECKING:
    from compress_onnx.saliency.shift import BaselineSaliency
    from compress_onnx.saliency.task import SaliencyTask

Maps = dict[tuple[int, str], NDArray[np.float32]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explained:
    """The explained samples: their ``images``, their ``rows`` (M,) in the whole set, ascending.

    ``counted`` (M,) marks those that statistics count, ``shown`` (M,) those that the report shows.
    Flips that are only shown do not count: they would overstate the shift.
    """

    images: ImageSet
    rows: NDArray[np.int64]
    counted: NDArray[np.bool_]
    shown: NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attention:
    """The baseline explained on some samples, ready for any candidate."""

    baseline: BaselineSaliency
    contestant: Contestant
    explained: Explained
    options: CompareOptions


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AttentionShift:
    """A candidate's saliency: the record, deviation (N,) with NaN where not computed, and shown maps."""

    shift: SaliencyShift | None
    deviation: NDArray[np.float32]
    maps: Maps


def explained_samples(images: ImageSet, sample: int, shown: Sequence[NDArray[np.int64]], *, seed: int) -> Explained:
    """Choose the samples to explain: a seeded random ``sample`` of the images, and the rows to be shown."""
    n = len(images)
    counted = np.zeros(n, dtype=np.bool_)
    counted[np.random.default_rng(seed).permutation(n)[:sample]] = True
    seen = np.zeros(n, dtype=np.bool_)
    for rows in shown:
        seen[rows] = True
    chosen = np.flatnonzero(counted | seen)
    return Explained(
        images=images.subset(chosen, split="saliency"), rows=chosen, counted=counted[chosen], shown=seen[chosen]
    )


def baseline_attention(
    contestant: Contestant,
    predictions: Predictions,
    explained: Explained,
    *,
    options: CompareOptions,
    stages: Stages,
) -> Attention | None:
    """Explain the baseline's own predictions or the labels, ``None`` where no saliency is wanted."""
    if options.saliency == NO_SALIENCY:
        return None
    from compress_onnx.saliency.shift import explain_baseline

    logits = predictions.logits[explained.rows]
    task = _task(contestant, explained, targets=explained_targets(predictions, options.target), options=options)
    baseline = explain_baseline(
        load_model(contestant.path),
        logits,
        task,
        rng=np.random.default_rng(options.seed),
        progress=stages(f"saliency {contestant.name}"),
        predict=deployed_file(contestant.path, threads=options.threads),
    )
    return Attention(baseline=baseline, contestant=contestant, explained=explained, options=options)


def _task(
    contestant: Contestant, explained: Explained, *, targets: NDArray[np.int64], options: CompareOptions
) -> SaliencyTask:
    from compress_onnx.saliency.anchors import noise_amplitude
    from compress_onnx.saliency.task import SaliencyTask

    preprocessing = contestant.preprocessing
    return SaliencyTask(
        inputs=np.concatenate(list(explained.images.batches(preprocessing))),
        targets=targets[explained.rows],
        target=options.target,
        method=options.saliency,
        noise_amplitude=noise_amplitude(preprocessing.std),
        keep=np.flatnonzero(explained.shown),
        counted=explained.counted,
        channel_axis=1 if preprocessing.layout == "NCHW" else 3,
    )


def attention_against(
    attention: Attention | None, candidate: Contestant, predictions: Predictions, pair: LogitPair, *, stages: Stages
) -> AttentionShift:
    """Return how a candidate's attention moved; nothing where it was not asked for or inputs differ."""
    deviation = np.full(pair.n, np.nan, dtype=np.float32)
    if attention is None or candidate.preprocessing != attention.contestant.preprocessing:
        return AttentionShift(shift=None, deviation=deviation, maps={})
    rows = attention.explained.rows
    outcome = attention.baseline.against(
        load_model(candidate.path),
        predictions.logits[rows],
        flipped=pair.flipped[rows],
        rng=np.random.default_rng(attention.options.seed),
        progress=stages(f"saliency {candidate.name}"),
        predict=deployed_file(candidate.path, threads=attention.options.threads),
    )
    maps: Maps = {}
    if outcome.deviation is not None:
        deviation[rows] = outcome.deviation
    if outcome.kept_baseline is not None and outcome.kept_candidate is not None:
        kept = rows[attention.explained.shown].tolist()
        maps |= {(row, attention.contestant.name): of for row, of in zip(kept, outcome.kept_baseline, strict=True)}
        maps |= {(row, candidate.name): of for row, of in zip(kept, outcome.kept_candidate, strict=True)}
    return AttentionShift(shift=outcome.shift, deviation=deviation, maps=maps)

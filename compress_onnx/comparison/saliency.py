"""The saliency stage: which samples are explained, and each candidate held against the baseline."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from compress_onnx.comparison.models import EvaluatedModel
from compress_onnx.comparison.options import CompareOptions
from compress_onnx.data import ImageSet
from compress_onnx.errors import OptionError
from compress_onnx.metrics import LogitPair
from compress_onnx.model import Model
from compress_onnx.options import THREADS, Stages
from compress_onnx.ort import exact_spans, open_session
from compress_onnx.records import Predictions, Preprocessing, SaliencyMaps, SaliencyShift
from compress_onnx.runtime import logits_of

if TYPE_CHECKING:
    from compress_onnx.saliency import BaselineSaliency, SaliencyOutcome, SaliencyTask

# So many samples tell a twin that agrees on 99.5 % from one that does not, however few are explained.
CHECKED = 512
Maps = dict[tuple[int, str], NDArray[np.float32]]
OTHER_INPUTS = (
    "Candidate: it is fed other inputs than the baseline (size, mean, std or layout differ), and maps of different "
    "inputs are not comparable."
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExplainedBaseline:
    """The baseline explained on the samples ``rows`` (M,) of all images, ascending, ready for any candidate.

    Twins are held against ONNX Runtime on the samples ``checked`` (K,), ascending. ``targets`` (N,) is
    the class explained of every image, one of the ``rows`` or not.
    """

    baseline: BaselineSaliency
    evaluated: EvaluatedModel
    images: ImageSet
    rows: NDArray[np.int64]
    checked: NDArray[np.int64]
    targets: NDArray[np.int64]
    options: CompareOptions


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CandidateSaliency:
    """A candidate's saliency: the record, deviation (N,) with NaN where not computed, and shown maps.

    ``maps`` are those of the samples to show, ``study`` the mean maps and two examples; it is
    ``None`` where the record is undefined.
    """

    shift: SaliencyShift | None
    deviation: NDArray[np.float32]
    maps: Maps
    study: SaliencyMaps | None = None


def explained_rows(n: int, sample: int, *, seed: int) -> NDArray[np.int64]:
    """Choose the samples that statistics count: a seeded random ``sample`` of n, ascending.

    >>> explained_rows(3, 5, seed=0).tolist()
    [0, 1, 2]
    """
    return np.sort(np.random.default_rng(seed).permutation(n)[:sample])


def baseline_saliency(
    evaluated: EvaluatedModel, predictions: Predictions, images: ImageSet, *, options: CompareOptions, stages: Stages
) -> ExplainedBaseline:
    """Explain the baseline's own predictions or the labels."""
    from compress_onnx.saliency import explain_baseline

    rows = explained_rows(len(images), options.saliency_samples, seed=options.seed)
    checked = explained_rows(len(images), max(options.saliency_samples, CHECKED), seed=options.seed)
    targets = explained_targets(predictions, options.saliency_target)
    task = dataclasses.replace(
        saliency_task(evaluated.preprocessing, images, rows, targets, options),
        predict=deployed_file(evaluated.model, threads=options.threads, batch=evaluated.call_batch),
        checked_on=functools.partial(images.subset(checked, split="fidelity").batches, evaluated.preprocessing),
    )
    baseline = explain_baseline(
        explained_model(evaluated.model, batch=evaluated.call_batch),
        predictions.logits[checked],
        task,
        rng=np.random.default_rng(options.seed),
        progress=stages(f"saliency {evaluated.name}"),
    )
    return ExplainedBaseline(
        baseline=baseline,
        evaluated=evaluated,
        images=images,
        rows=rows,
        checked=checked,
        targets=targets,
        options=options,
    )


def saliency_against(
    explained: ExplainedBaseline,
    candidate: EvaluatedModel,
    pair: LogitPair,
    *,
    shown: NDArray[np.int64],
    stages: Stages,
) -> CandidateSaliency:
    """Return how a candidate's saliency moved, with the maps of the ``shown`` rows (K,).

    Rows that are only shown count in no figure: flips would overstate the shift. A candidate fed with
    other inputs gets the reason.
    """
    nothing = np.full(pair.n, np.nan, dtype=np.float32)
    from compress_onnx.saliency import UNTESTED, SaliencyCandidate

    if candidate.preprocessing != explained.evaluated.preprocessing:
        undefined = explained.baseline.undefined(UNTESTED, OTHER_INPUTS)
        return CandidateSaliency(shift=undefined.shift, deviation=nothing, maps={})
    rows = explained.rows
    others = np.setdiff1d(shown, rows)
    kept = np.intersect1d(shown, rows)
    outcome = explained.baseline.against(
        SaliencyCandidate(
            model=explained_model(candidate.model, batch=candidate.call_batch),
            logits=pair.candidate[explained.checked].astype(np.float32, copy=False),
            flipped=pair.flipped[rows],
            keep=np.searchsorted(rows, kept),
            others=saliency_task(
                explained.evaluated.preprocessing, explained.images, others, explained.targets, explained.options
            ),
            predict=deployed_file(candidate.model, threads=explained.options.threads, batch=candidate.call_batch),
        ),
        rng=np.random.default_rng(explained.options.seed),
        progress=stages(f"saliency {candidate.name}"),
    )
    return _shift(explained, candidate.name, outcome, kept=kept, others=others)


def _shift(
    explained: ExplainedBaseline,
    name: str,
    outcome: SaliencyOutcome,
    *,
    kept: NDArray[np.int64],
    others: NDArray[np.int64],
) -> CandidateSaliency:
    deviation = np.full(len(explained.images), np.nan, dtype=np.float32)
    maps: Maps = {}
    if outcome.deviation is not None:
        deviation[explained.rows] = outcome.deviation
    for rows, pairs in ((kept, outcome.kept_maps), (others, outcome.others)):
        if pairs is not None:
            deviation[rows] = pairs.deviation
            names = (explained.evaluated.name, name)
            for of, sides in zip(names, (pairs.baseline, pairs.candidate), strict=True):
                maps |= {(row, of): side for row, side in zip(rows.tolist(), sides, strict=True)}
    return CandidateSaliency(shift=outcome.shift, deviation=deviation, maps=maps, study=_study(explained, outcome))


def _study(explained: ExplainedBaseline, outcome: SaliencyOutcome) -> SaliencyMaps | None:
    means, rows, pairs = outcome.means, outcome.examples, outcome.example_maps
    if means is None or rows is None or pairs is None:
        return None
    images, preprocessing = explained.images, explained.evaluated.preprocessing
    chosen = explained.rows[rows]
    return SaliencyMaps(
        mean_baseline=means.baseline,
        mean_candidate=means.candidate,
        mean_difference=means.difference,
        significant=means.significant,
        example_ids=images.sample_ids[chosen],
        example_pixels=np.concatenate([images.pixels(row, row + 1, preprocessing) for row in chosen.tolist()]),
        example_baseline=pairs.baseline,
        example_candidate=pairs.candidate,
        example_deviation=pairs.deviation.astype(np.float32),
    )


def saliency_task(
    preprocessing: Preprocessing,
    images: ImageSet,
    rows: NDArray[np.int64],
    targets: NDArray[np.int64],
    options: CompareOptions,
) -> SaliencyTask:
    """Return the task of explaining some of the images (M,), sorted by label or, without labels, by target."""
    from compress_onnx.saliency import SaliencyTask, noise_amplitude

    chosen = images.subset(rows, split="saliency")
    return SaliencyTask(
        batches=functools.partial(chosen.batches, preprocessing),
        targets=targets[rows],
        target=options.saliency_target,
        method=options.saliency,
        noise_amplitude=noise_amplitude(preprocessing.std),
        classes=chosen.labels,
        class_names=images.info.class_names,
        seed=options.seed,
        channel_axis=1 if preprocessing.layout == "NCHW" else 3,
    )


LABEL = "label"


def explained_targets(predictions: Predictions, target: str) -> NDArray[np.int64]:
    """Return the class explained per sample, (N,): the baseline's prediction, or the label.

    Errors
    ------
    OptionError
        if labels are asked for and the data has none.
    """
    if target != LABEL:
        predicted: NDArray[np.int64] = predictions.logits.argmax(axis=1)
        return predicted
    if predictions.labels is None:
        raise OptionError(
            "labeled images for --saliency-target label",
            "images without labels",
            remedy="Explain the baseline's predictions.",
        )
    return predictions.labels


def explained_model(model: Model, *, batch: int | None) -> onnx.ModelProto:
    """Return a model's graph; where its predictions depend on the call, it takes ``batch`` images and no other number.

    The twin then takes as many at a time, as the predictions did.
    """
    if batch is None:
        return model.proto
    graph = onnx.ModelProto()
    graph.CopyFrom(model.proto)
    (fed,) = (value for value in graph.graph.input if value.name == model.signature.input_name)
    fed.type.tensor_type.shape.dim[0].dim_value = batch
    return graph


def deployed_file(
    model: Model, *, threads: int | None, batch: int | None = None
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return ONNX Runtime's logits as a function of inputs; the session is opened at the first call.

    ``batch`` inputs go into one call, all of them where it is ``None``.
    """

    @functools.cache
    def session() -> ort.InferenceSession:
        return open_session(model.whole, threads=threads or THREADS.default)

    def predict(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        calls = exact_spans(len(inputs), batch or max(len(inputs), 1))
        return logits_of(session(), [inputs[start:stop] for start, stop in calls], where=model.where)

    return predict

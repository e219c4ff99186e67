"""The same files on another CPU: what they answer there against what they answer here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from compress_onnx.comparison.models import EvaluatedModel
from compress_onnx.comparison.options import CompareOptions
from compress_onnx.data import BATCH, DecodedImages, ImageSet
from compress_onnx.metrics import LogitPair, accuracy_change, flip_summary
from compress_onnx.options import THREADS, Progress, Stages, silent, silent_stages
from compress_onnx.records import (
    Better,
    CrossCpu,
    CrossCpuPredictions,
    LatencyComparison,
    Measure,
    Predictions,
    undefined,
)
from compress_onnx.runtime import ConnectedTarget, compare_latency, connect, target_named, with_progress

NOT_ASKED = "latency was not to be measured"
SAME_MACHINE = "the target is this machine"
OTHER_INPUT = "baseline and candidate take different inputs"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OtherCpu:
    """Another CPU that has answered once, and what it is to be asked."""

    there: ConnectedTarget
    options: CompareOptions

    def expect_predictions(self, evaluated: EvaluatedModel) -> None:
        """Raise :class:`ModelError` if it is known beforehand that the model cannot be run there."""
        self.there.expect_answers(evaluated.model)

    def predictions(
        self, evaluated: EvaluatedModel, images: DecodedImages, here: Predictions, *, progress: Progress = silent
    ) -> CrossCpuPredictions:
        """Return what a model predicts there against what it predicts here, in calls of equal size where that matters.

        Errors
        ------
        WorkerError, ModelError
            if the other CPU fails, or cannot run the file.
        """
        sized = images.sized(evaluated.preprocessing)
        batches = sized.batches(evaluated.preprocessing, evaluated.call_batch or BATCH)
        logits = self.there.logits(
            evaluated.model,
            with_progress(batches, total=len(sized), progress=progress, name=evaluated.name),
            threads=self.options.threads or THREADS.default,
            classes=here.logits.shape[1],
        )
        return cross_answers(here, logits, images.images)

    def untimed(self, pair: tuple[EvaluatedModel, EvaluatedModel]) -> str | None:
        """Return why nothing is timed there, ``None`` where it is."""
        target = self.there.target
        if self.there.simulated:
            return "simulated: it has no times"
        if target.emulator is not None:
            return f"emulated by {target.emulator}: its times say nothing about the CPU"
        if not target.timed:
            return SAME_MACHINE
        if self.options.latency is None:
            return NOT_ASKED
        return None if pair[0].input_shape == pair[1].input_shape else OTHER_INPUT

    def latency(self, pair: tuple[EvaluatedModel, EvaluatedModel], images: DecodedImages) -> LatencyComparison | None:
        """Return how long baseline and candidate take there, ``None`` where nothing is timed."""
        plan = self.options.latency
        if plan is None or self.untimed(pair) is not None:
            return None
        form = pair[0].preprocessing
        batch = next(images.sized(form).batches(form, plan.batch))
        rng = np.random.default_rng(self.options.seed)
        timings = self.there.latencies([evaluated.model for evaluated in pair], batch, plan=plan, rng=rng)
        return compare_latency(timings, 1, plan=plan, rng=rng)


def other_cpu(target: str, options: CompareOptions) -> OtherCpu:
    """Return the other CPU after a first answer from it.

    Errors
    ------
    UnknownNameError, OptionError, TargetError
        if the name is none, or this machine lacks what it needs.
    WorkerError
        if it cannot be reached or cannot run ONNX Runtime.
    """
    return OtherCpu(there=connect(target_named(target)), options=options)


def cross_cpu(
    other: OtherCpu,
    models: Sequence[EvaluatedModel],
    images: DecodedImages,
    predictions: Mapping[str, Predictions],
    *,
    stages: Stages = silent_stages,
) -> list[CrossCpu]:
    """Return for each candidate what it and the baseline predict on the other CPU; baseline first in ``models``.

    ``predictions`` are those here, by name.

    Errors
    ------
    WorkerError, ModelError
        if the other CPU fails, or cannot run a file.
    """
    target = other.there.target.name
    there = [
        other.predictions(
            evaluated, images, predictions[evaluated.name], progress=stages(f"{target}: {evaluated.name}")
        )
        for evaluated in models
    ]
    return [
        _crossing(other, (models[0], candidate), (there[0], own), images)
        for candidate, own in zip(models[1:], there[1:], strict=True)
    ]


def _crossing(
    other: OtherCpu,
    pair: tuple[EvaluatedModel, EvaluatedModel],
    there: tuple[CrossCpuPredictions, CrossCpuPredictions],
    images: DecodedImages,
) -> CrossCpu:
    baseline, own = there
    return CrossCpu(
        target=other.there.target.name,
        environment=other.there.environment,
        flips=own.flips,
        accuracy=own.accuracy,
        accuracy_change=own.accuracy_change,
        max_logit_difference=own.max_logit_difference,
        baseline=baseline,
        latency=other.latency(pair, images),
        latency_reason=other.untimed(pair),
        simulated=other.there.simulated,
    )


def cross_answers(here: Predictions, there: NDArray[np.float32], images: ImageSet) -> CrossCpuPredictions:
    """Return how one file's logits (N, C) on another CPU differ from those here."""
    names = images.info.class_names or tuple(str(label) for label in range(there.shape[1]))
    pair = LogitPair(labels=here.labels, baseline=here.logits, candidate=there, class_names=names)
    accuracy = accuracy_change(pair)
    return CrossCpuPredictions(
        flips=flip_summary(pair),
        accuracy=accuracy.candidate,
        accuracy_change=accuracy.change,
        max_logit_difference=largest_difference(here.logits, there),
    )


def largest_difference(here: NDArray[np.float32], there: NDArray[np.float32]) -> Measure:
    """Return the largest absolute difference of two arrays of logits; undefined without any.

    >>> largest_difference(np.zeros((2, 3), np.float32), np.full((2, 3), 0.5, np.float32)).value
    0.5
    """
    if not here.size:
        return undefined("no images", unit="logit", better=Better.LOWER)
    largest = float(np.abs(here.astype(np.float64) - there).max())
    return Measure(value=largest, unit="logit", better=Better.LOWER, n=len(here))

"""What a model is without a comparison: how fast, what it holds, where it looks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compress_onnx.compare import CompareOptions, Sweep, bench_models, model_maps
from compress_onnx.data import DataSource, image_set
from compress_onnx.errors import ModelError
from compress_onnx.extras import require_extra
from compress_onnx.model import Model, ModelSource
from compress_onnx.options import AUDIT_SIZE, DURATION, ROUNDS, SEED, Stages, silent_stages
from compress_onnx.records import BenchRecord, Preprocessing
from compress_onnx.runtime import LatencyPlan
from compress_onnx.steps import Inspected, Inspection, inspected


def bench(
    models: Sequence[ModelSource],
    *,
    threads: Sequence[int] = (1,),
    batch: Sequence[int] = (1,),
    rounds: int = ROUNDS.default,
    duration_s: float = DURATION.default,
    calls: int | None = None,
    spinning: bool = True,
    seed: int = SEED.default,
    stages: Stages = silent_stages,
) -> BenchRecord:
    """Time models, baseline first, in fresh processes and interleaved rounds; values in ms per call.

    Every pair of ``threads`` and ``batch`` is a setting. ``calls`` per model and round take the place of
    ``duration_s``, the timed seconds per model and setting.

    Errors
    ------
    ModelError, OptionError
        as of ``compress-onnx bench``.

    >>> import compress_onnx as co
    >>> from compress_onnx.api.example import classifier
    >>> record = co.bench([classifier(), classifier()], rounds=1, calls=2)
    >>> record.latency[0].threads, len(record.latency[0].candidate.values_ms)
    (1, 2)
    """
    SEED.check(seed)
    plan = LatencyPlan(rounds=rounds, spinning=spinning)
    plan = dataclasses.replace(plan, duration_s=duration_s) if calls is None else dataclasses.replace(plan, calls=calls)
    sweep = Sweep(threads=tuple(threads), batches=tuple(batch), plan=plan)
    return bench_models(list(models), sweep, seed=seed, stages=stages)


def inspect(
    model: ModelSource,
    data: DataSource | None = None,
    *,
    images: int = AUDIT_SIZE.default,
    seed: int = SEED.default,
    profile: bool = False,
    preprocessing: Preprocessing | None = None,
) -> Inspection:
    """Return what a model holds, weighs and becomes on this CPU, and what overflows on one without VNNI.

    On ``images`` of ``data`` it is counted how often sums overflow; ``profile`` runs it and says where time goes.

    Errors
    ------
    ModelError, DataError
        as of ``compress-onnx inspect``.

    >>> import compress_onnx as co
    >>> from compress_onnx.api.example import classifier
    >>> found = co.inspect(classifier())
    >>> str(found.artifact.precision), [weight.name for weight in found.weights]
    ('fp32', ['w1', 'w2'])
    """
    beside = Inspected(
        data=None if data is None else image_set(data),
        n=images,
        seed=seed,
        preprocessing=preprocessing,
        profiled=profile,
    )
    return inspected(model, beside)


def saliency_maps(
    model: ModelSource,
    data: DataSource,
    *,
    method: str = "gradient",
    target: str = "baseline",
    seed: int = SEED.default,
    preprocessing: Preprocessing | None = None,
) -> NDArray[np.float32]:
    """Return one saliency map per image, (N, H, W) float32: how much each pixel moves the explained logit.

    ``target`` is ``baseline`` for the class that the model predicts, or ``label``. Gradients come from a PyTorch
    twin of the model.

    Errors
    ------
    MissingExtraError
        without the torch extra.
    UnknownNameError
        if there is no such method.
    ModelError, DataError
        if the images do not fit, or the model has an operator without a twin.

    >>> import compress_onnx as co
    >>> from compress_onnx.api.example import classifier, pictures
    >>> try:
    ...     maps = co.saliency_maps(classifier(), pictures(5))
    ... except co.CompressOnnxError:  # without torch
    ...     maps = np.empty((5, 6, 6), np.float32)
    >>> maps.shape
    (5, 6, 6)
    """
    require_extra("torch", command="saliency_maps")
    read, images = Model.of(model), image_set(data)
    form = read.embedded.preprocessing or preprocessing or images.own_form
    if form is None:
        raise ModelError(
            "preprocessing in the model's metadata", "none", where=read.where, remedy="Give preprocessing=."
        )
    options = CompareOptions(saliency=method, saliency_target=target, seed=seed)
    return model_maps(read, images.seen_by(form), form, options)

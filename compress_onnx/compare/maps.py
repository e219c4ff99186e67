"""Saliency maps of one model on its own, without a comparison."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from compress_onnx.compare.options import CompareOptions
from compress_onnx.compare.saliency import deployed_file, explained_targets, saliency_task
from compress_onnx.data import BATCH, ImageSet
from compress_onnx.errors import ModelError
from compress_onnx.model import Model
from compress_onnx.records import Predictions, Preprocessing


def model_maps(
    model: Model, images: ImageSet, preprocessing: Preprocessing, options: CompareOptions
) -> NDArray[np.float32]:
    """Return one map per image, (N, H, W) float32, by the method and of the classes that ``options`` name.

    Errors
    ------
    ModelError
        if the model cannot be run, or has no twin that predicts as it does.
    OptionError
        if labels are to be explained and the images have none.
    """
    from compress_onnx.saliency import explained_maps

    predict = deployed_file(model, threads=options.threads)
    logits = np.concatenate([predict(batch) for batch in images.batches(preprocessing, BATCH)])
    targets = explained_targets(_predictions(model, images, logits), options.saliency_target)
    task = saliency_task(preprocessing, images, np.arange(len(images)), targets, options)
    maps = explained_maps(model.proto, logits, dataclasses.replace(task, predict=predict))
    if isinstance(maps, str):
        raise ModelError("a model whose gradients can be taken", maps, where=model.where)
    return maps


def _predictions(model: Model, images: ImageSet, logits: NDArray[np.float32]) -> Predictions:
    return Predictions(
        sample_ids=images.sample_ids,
        labels=images.labels,
        logits=logits,
        artifact_sha256=model.sha256,
        dataset_sha256=images.info.sha256,
        cpu="",
    )

"""What ``inspect`` asks of a file that takes images or a process to answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from compress_onnx.compare import check_input
from compress_onnx.data import ImageSet
from compress_onnx.errors import ModelError
from compress_onnx.model import Model, describe, footprint
from compress_onnx.records import Footprint, Preprocessing, SaturationAudit
from compress_onnx.runtime import audit, resident_after_load

# Activations of a batch are kept whole: 16 images of ResNet-18 take 20 MB.
_BATCH = 16


def loaded_footprint(model: Model) -> Footprint:
    """Return every size of a model, the memory it takes once loaded included.

    Errors
    ------
    ModelError
        if ONNX Runtime cannot load it.
    """
    size = footprint(describe(model, name=model.where.stem, shown_path=str(model.where)))
    return dataclasses.replace(size, resident=resident_after_load(model.where))


def saturation_audit(
    model: Model, data: ImageSet | None, *, n: int, seed: int, preprocessing: Preprocessing | None
) -> SaturationAudit:
    """Return which U8S8 channels can overflow without VNNI, and on ``n`` images of ``data`` how often they do.

    Images are drawn at random, seeded; all where there are fewer.
    ``preprocessing`` serves a file whose metadata holds none.

    Errors
    ------
    ModelError
        if the file says nothing about its preprocessing, or does not take it.
    DataError
        if the images cannot be read.
    """
    if data is None:
        return audit(model.proto)
    form = preprocessing or model.embedded.preprocessing
    if form is None:
        raise ModelError(
            "preprocessing in the model's metadata", "none", where=model.where, remedy="Give it with --mean and --std."
        )
    check_input(form, model.signature, model.where)
    drawn = _drawn(data.seen_by(form), n, seed)
    return audit(model.proto, _batches(drawn, form, model.signature.fixed_batch))


def _drawn(images: ImageSet, n: int, seed: int) -> ImageSet:
    order = np.random.default_rng(seed).permutation(len(images))[:n]
    return images.subset(np.sort(order), split="audited")


def _batches(images: ImageSet, known: Preprocessing, fixed: int | None) -> Iterator[NDArray[np.float32]]:
    """Yield the images; a file of one batch size gets whole batches only, since filled-up ones would count."""
    for batch in images.batches(known, fixed or _BATCH):
        if fixed in {None, len(batch)}:
            yield batch

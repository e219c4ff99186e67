"""What ``inspect`` asks of a file that takes images or a process to answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress_onnx.compare import check_input
from compress_onnx.data import ImageSet, load_data
from compress_onnx.errors import ModelError
from compress_onnx.model import describe, footprint, load_model, read_embedded, signature_of
from compress_onnx.records import Footprint, Preprocessing, SaturationAudit
from compress_onnx.runtime import audit, memory_after_load

# Activations of a batch are kept whole: 16 images of ResNet-18 take 20 MB.
_BATCH = 16


def weighed(path: Path) -> Footprint:
    """Return every size of a file, the memory it takes once loaded included.

    Errors
    ------
    ModelError
        if the file is no ONNX model, or ONNX Runtime cannot load it.
    """
    found = footprint(describe(path, name=path.stem, shown_path=str(path)))
    return dataclasses.replace(found, resident=memory_after_load(path))


def saturation_audit(
    path: Path, data: str, *, n: int, seed: int, preprocessing: Preprocessing | None
) -> SaturationAudit:
    """Return which U8S8 channels can overflow without VNNI, and on ``n`` images of ``data`` how often they do.

    ``data`` is empty without images. Images are drawn at random, seeded; all where there are fewer.
    ``preprocessing`` serves a file whose metadata holds none.

    Errors
    ------
    ModelError
        if the file says nothing about its preprocessing, or does not take it.
    DataError
        if the images cannot be read.
    """
    model = load_model(path)
    if not data:
        return audit(model)
    known = preprocessing or read_embedded(model, where=path).preprocessing
    if known is None:
        raise ModelError(
            "preprocessing in the model's metadata", "none", where=path, remedy="Give it with --mean and --std."
        )
    takes = signature_of(model, where=path)
    check_input(known, takes, path)
    return audit(model, _batches(_drawn(load_data(data), n, seed), known, takes.fixed_batch))


def _drawn(images: ImageSet, n: int, seed: int) -> ImageSet:
    order = np.random.default_rng(seed).permutation(len(images))[:n]
    return images.subset(np.sort(order), split="audited")


def _batches(images: ImageSet, known: Preprocessing, fixed: int | None) -> Iterator[NDArray[np.float32]]:
    """Yield the images; a file of one batch size gets whole batches only, since filled-up ones would count."""
    for batch in images.batches(known, fixed or _BATCH):
        if fixed in {None, len(batch)}:
            yield batch

"""What ``inspect`` asks of a file that takes images or a process to answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from compress_onnx.compare import check_input, profile_model
from compress_onnx.data import ImageSet
from compress_onnx.errors import ModelError
from compress_onnx.model import Model, ModelSource, Weight, describe, footprint
from compress_onnx.options import AUDIT_SIZE, SEED
from compress_onnx.records import (
    Artifact,
    ExecutionProfile,
    Footprint,
    FusionReceipt,
    Preprocessing,
    SaturationAudit,
)
from compress_onnx.runtime import audit, batch_norms, fusion_receipt, memory_after_load, slowdown_reasons

# Activations of a batch are kept whole: 16 images of ResNet-18 take 20 MB.
_BATCH = 16


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inspection:
    """What a model holds, weighs and becomes on this CPU; ``profile`` is ``None`` where it was not run.

    ``why_not_faster`` are the reasons why its kernels are slower than they could be; ``saturation`` says which U8S8
    channels can overflow on a CPU without VNNI.
    """

    artifact: Artifact
    weights: tuple[Weight, ...]
    fusion: FusionReceipt
    batch_norms: int
    why_not_faster: tuple[str, ...]
    footprint: Footprint
    saturation: SaturationAudit
    profile: ExecutionProfile | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inspected:
    """What an inspection looks at beside the model: ``n`` images of ``data``, drawn by ``seed``; whether it is run."""

    data: ImageSet | None = None
    n: int = AUDIT_SIZE.default
    seed: int = SEED.default
    preprocessing: Preprocessing | None = None
    profiled: bool = False

    def __post_init__(self) -> None:
        AUDIT_SIZE.check(self.n)
        SEED.check(self.seed)


def inspected(source: ModelSource, beside: Inspected) -> Inspection:
    """Return what a model holds, weighs and becomes.

    Errors
    ------
    ModelError
        if it is no ONNX classifier, ONNX Runtime cannot load it, or it is written to meanwhile.
    DataError
        if the images do not fit.
    """
    model = Model.of(source)
    receipt = fusion_receipt(model)
    audited = saturation_audit(model, beside.data, n=beside.n, seed=beside.seed, preprocessing=beside.preprocessing)
    found = Inspection(
        artifact=describe(model, name=model.where.stem, shown_path=str(model.where)),
        weights=model.weights,
        fusion=receipt,
        batch_norms=batch_norms(model.proto),
        why_not_faster=tuple(slowdown_reasons(model.proto, receipt)),
        footprint=loaded_footprint(model),
        saturation=audited,
        profile=profile_model(model) if beside.profiled else None,
    )
    model.expect_unchanged()
    return found


def loaded_footprint(model: Model) -> Footprint:
    """Return every size of a model, the memory it takes once loaded included.

    Errors
    ------
    ModelError
        if ONNX Runtime cannot load it.
    """
    size = footprint(describe(model, name=model.where.stem, shown_path=str(model.where)))
    return dataclasses.replace(size, resident=memory_after_load(model))


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
    form = preprocessing or model.embedded.preprocessing or data.own_form
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

"""The training images that a cell's steps are fed: some calibrate, more of them repair."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from pathlib import Path

import onnx

from compress_onnx.compare import CalibrationChoice, calibration_for
from compress_onnx.compress import referenced
from compress_onnx.data import ImageSet, decoded_once
from compress_onnx.options import REPAIR_SIZE
from compress_onnx.records import Preprocessing
from compress_onnx.steps import PreparedData, calibration_batches
from compress_onnx.study.cells.recipes import RepairImages, StepImages


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageRequest:
    """``size`` of the ``training`` images to calibrate, and as many as ``prune`` takes if a step ``repairs``.

    ``roots`` are folders of calibration manifests, looked up by name where it is ``None``.
    """

    training: ImageSet
    size: int
    repairs: bool
    seed: int
    roots: tuple[Path, ...] | None

    def chosen(self, n: int, evaluation: ImageSet) -> CalibrationChoice:
        """Return ``n`` of the images, none of which is evaluated."""
        return calibration_for(self.training, n, seed=self.seed, evaluation=evaluation, roots=self.roots)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChosenImages:
    """Images that calibrate, and what all steps are fed."""

    choice: CalibrationChoice | None
    steps: StepImages


def step_images(
    request: ImageRequest | None,
    baseline: onnx.ModelProto,
    preprocessing: Preprocessing,
    evaluation: ImageSet,
    *,
    stack: contextlib.ExitStack,
) -> ChosenImages:
    """Choose the images of all steps, as the baseline sees them by its ``preprocessing``.

    They stay decoded until ``stack`` is closed: a search looks at them twenty times.

    Errors
    ------
    DataError
        if there are too few images.
    """
    if request is None:
        return ChosenImages(choice=None, steps=StepImages())

    def decoded(choice: CalibrationChoice) -> PreparedData:
        images = stack.enter_context(decoded_once(choice.images, [preprocessing])).sized(preprocessing)
        return PreparedData(choice=dataclasses.replace(choice, images=images), preprocessing=preprocessing)

    calibrating = decoded(request.chosen(request.size, evaluation))
    repair = None
    if request.repairs:
        # At most half of a small set: the rest trains and calibrates.
        many = min(REPAIR_SIZE.default, len(request.training) // 2)
        repair = _repairing(decoded(request.chosen(many, evaluation)), baseline, request.seed, stack)
    feed = functools.partial(calibration_batches, calibrating.choice, preprocessing)
    return ChosenImages(choice=calibrating.choice, steps=StepImages(calibration=feed, repair=repair))


def _repairing(images: PreparedData, baseline: onnx.ModelProto, seed: int, stack: contextlib.ExitStack) -> RepairImages:
    batches = functools.partial(calibration_batches, images.choice, images.preprocessing)
    return RepairImages(
        batches=batches,
        sha256=images.choice.info.sha256,
        reference=stack.enter_context(referenced(baseline, batches)),
        prepared=images,
        seed=seed,
    )

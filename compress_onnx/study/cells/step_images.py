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
class Wish:
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
class Chosen:
    """Images that calibrate, and what all steps are fed."""

    choice: CalibrationChoice | None
    steps: StepImages


def step_images(
    wish: Wish | None,
    baseline: onnx.ModelProto,
    preprocessing: Preprocessing,
    evaluation: ImageSet,
    *,
    kept: contextlib.ExitStack,
) -> Chosen:
    """Choose the images of all steps, as the baseline sees them by its ``preprocessing``.

    They stay decoded until ``kept`` is closed: a search looks at them twenty times.

    Errors
    ------
    DataError
        if there are too few images.
    """
    if wish is None:
        return Chosen(choice=None, steps=StepImages())

    def decoded(choice: CalibrationChoice) -> PreparedData:
        images = kept.enter_context(decoded_once(choice.images, [preprocessing])).sized(preprocessing)
        return PreparedData(choice=dataclasses.replace(choice, images=images), preprocessing=preprocessing)

    calibrating = decoded(wish.chosen(wish.size, evaluation))
    repair = None
    if wish.repairs:
        # At most half of a small set: the rest trains and calibrates.
        many = min(REPAIR_SIZE.default, len(wish.training) // 2)
        repair = _repairing(decoded(wish.chosen(many, evaluation)), baseline, wish.seed, kept)
    feed = functools.partial(calibration_batches, calibrating.choice, preprocessing)
    return Chosen(choice=calibrating.choice, steps=StepImages(calibration=feed, repair=repair))


def _repairing(images: PreparedData, baseline: onnx.ModelProto, seed: int, kept: contextlib.ExitStack) -> RepairImages:
    batches = functools.partial(calibration_batches, images.choice, images.preprocessing)
    return RepairImages(
        batches=batches,
        sha256=images.choice.info.sha256,
        reference=kept.enter_context(referenced(baseline, batches)),
        prepared=images,
        seed=seed,
    )

"""One cell of a study: a trained network, its data, several recipes, one record."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from datetime import datetime
from pathlib import Path

import onnx

from compress_onnx import config
from compress_onnx.config import Stages, silent_stages
from compress_onnx.data.images import ImageSet
from compress_onnx.data.sources import load_data
from compress_onnx.errors import OptionError
from compress_onnx.graph import read_embedded, save_model
from compress_onnx.records import OptionValue, Preprocessing, RunRecord
from compress_onnx.runtime.cpu import cpu_target
from compress_onnx.study.calibration import CalibrationChoice, calibration_for
from compress_onnx.study.compare import Job, compare_models
from compress_onnx.study.contestants import Entry
from compress_onnx.study.export import exported
from compress_onnx.study.options import CompareOptions
from compress_onnx.study.quantise import cache_key, calibration_batches
from compress_onnx.study.recipes import REPAIR, RepairImages, compressed, needs_calibration, parse_recipe

ARTIFACTS = "artifacts"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is run: a model of ``models/``, a data set, recipes as text, and how they are compared."""

    model: str
    dataset: str
    recipes: tuple[str, ...]
    options: CompareOptions
    calibration_size: int = config.CALIBRATION_SIZE.default
    method: str = config.METHOD.default
    cpu: str = config.CPU.default

    def __post_init__(self) -> None:
        config.CALIBRATION_SIZE.check(self.calibration_size)
        config.METHOD.check(self.method)
        config.CPU.check(self.cpu)
        for text in self.recipes:
            parse_recipe(text, {})
        if not self.recipes or len(set(map(artifact_name, self.recipes))) < len(self.recipes):
            raise OptionError("at least one recipe, each recipe once", ", ".join(self.recipes) or "none")

    @property
    def target(self) -> str:
        """The CPU the artifacts are made for, ``auto`` resolved."""
        return cpu_target() if self.cpu == "auto" else self.cpu

    def quantisation(self, choice: CalibrationChoice | None) -> dict[str, OptionValue]:
        """Return the options of every quantisation step."""
        return {
            "cpu": self.target,
            "method": self.method,
            "calibration": choice.info.sha256 if choice else None,
            "labels": _labels(choice),
        }


def artifact_name(recipe: str) -> str:
    """Return the name of the artifact that a recipe makes.

    >>> artifact_name("prune:0.5 + w8a8")
    'prune0.5+w8a8'
    """
    return recipe.replace(":", "").replace(" ", "")


def run_cell(
    cell: Cell, folder: Path, *, command: tuple[str, ...], started_at: datetime, stages: Stages = silent_stages
) -> RunRecord:
    """Export, compress, compare; artifacts and results go into ``folder``.

    The data set's test split is evaluated, its training split calibrates.
    """
    evaluation = load_data(f"{cell.dataset}:test")
    baseline, entry = _baseline(cell, folder, evaluation, stages)
    images = _Images(
        choice=_calibration(cell, evaluation), repair=_repair_images(cell, evaluation, _preprocessing(baseline))
    )
    entries = [entry, *_candidates(cell, baseline, folder, images, stages)]
    job = Job(
        entries=entries,
        images=evaluation,
        options=cell.options,
        folder=folder,
        command=command,
        started_at=started_at,
        calibration=images.choice.info if images.choice else None,
    )
    return compare_models(job, stages=stages)


def _baseline(cell: Cell, folder: Path, evaluation: ImageSet, stages: Stages) -> tuple[onnx.ModelProto, Entry]:
    progress = stages("export")
    result = exported(cell.model, images=evaluation)
    path = folder / ARTIFACTS / f"{cell.model}.onnx"
    save_model(result.model, path)
    progress(1.0, cell.model)
    return result.model, Entry(path=path, name=cell.model, recipe=result.recipe)


def _calibration(cell: Cell, evaluation: ImageSet) -> CalibrationChoice | None:
    if not any(needs_calibration(parse_recipe(text, cell.quantisation(None))) for text in cell.recipes):
        return None
    training = load_data(f"{cell.dataset}:train")
    return calibration_for(training, cell.calibration_size, seed=cell.options.seed, evaluation=evaluation)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Images:
    """Images that calibrate, and more of them that repair, where a recipe wants any."""

    choice: CalibrationChoice | None
    repair: RepairImages | None


def _labels(choice: CalibrationChoice | None) -> OptionValue:
    labels = None if choice is None else choice.images.labels
    return None if labels is None else [int(label) for label in labels]


def _repair_images(cell: Cell, evaluation: ImageSet, preprocessing: Preprocessing) -> RepairImages | None:
    """Choose the images of repair steps: as many as ``prune`` takes, at most half of the training images."""
    steps = itertools.chain.from_iterable(parse_recipe(text, cell.quantisation(None)) for text in cell.recipes)
    if not any(step.compressor == REPAIR for step in steps):
        return None
    training = load_data(f"{cell.dataset}:train")
    size = min(config.REPAIR_SIZE.default, len(training) // 2)
    choice = calibration_for(training, size, seed=cell.options.seed, evaluation=evaluation)
    feed = functools.partial(calibration_batches, choice, preprocessing)
    return RepairImages(batches=feed, sha256=choice.info.sha256)


def _candidates(
    cell: Cell,
    baseline: onnx.ModelProto,
    folder: Path,
    images: _Images,
    stages: Stages,
) -> list[Entry]:
    progress = stages("compress")
    quantisation, feed = cell.quantisation(images.choice), None
    if images.choice is not None:
        preprocessing = _preprocessing(baseline)
        quantisation["cache_key"] = cache_key(images.choice, preprocessing)
        feed = functools.partial(calibration_batches, images.choice, preprocessing)
    entries = []
    for number, text in enumerate(cell.recipes, start=1):
        steps = parse_recipe(text, quantisation)
        model, recipe = compressed(baseline, steps, calibration=feed, repair=images.repair)
        name = artifact_name(text)
        path = folder / ARTIFACTS / f"{name}.onnx"
        save_model(model, path)
        entries.append(Entry(path=path, name=name, recipe=recipe))
        progress(number / len(cell.recipes), text)
    return entries


def _preprocessing(model: onnx.ModelProto) -> Preprocessing:
    preprocessing = read_embedded(model).preprocessing
    if preprocessing is None:
        message = "an exported model always carries its preprocessing"
        raise AssertionError(message)
    return preprocessing

"""One cell of a study: a trained network, its data, several recipes, one record."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import onnx

from compress_onnx.compare import CalibrationChoice, CompareOptions, Job, NamedModel, compare_models
from compress_onnx.data import ImageSet, load_data
from compress_onnx.errors import OptionError
from compress_onnx.model import made_from, model_sha256, read_embedded, save_model
from compress_onnx.options import CALIBRATION_SIZE, CPU, METHOD, Stages, check_options, option_field, silent_stages
from compress_onnx.records import OptionValue, Preprocessing, RunRecord
from compress_onnx.runtime import cpu_target
from compress_onnx.steps import cache_key, exported
from compress_onnx.study.cells.recipes import (
    CompressionStep,
    PartialResult,
    after_step,
    before_steps,
    needs_calibration,
    needs_many,
    parse_recipe,
)
from compress_onnx.study.cells.step_images import ChosenImages, ImageRequest, step_images

ARTIFACTS = "artifacts"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StudyCell:
    """What is run: a model of ``models/``, a data set, recipes as text, and how they are compared."""

    model: str
    dataset: str
    recipes: tuple[str, ...]
    options: CompareOptions
    calibration_size: int = option_field(CALIBRATION_SIZE)
    method: str = option_field(METHOD)
    cpu: str = option_field(CPU)

    def __post_init__(self) -> None:
        check_options(self)
        for text in self.recipes:
            parse_recipe(text, {})
        if not self.recipes or len(set(map(artifact_name, self.recipes))) < len(self.recipes):
            raise OptionError("at least one recipe, each recipe once", ", ".join(self.recipes) or "none")

    @property
    def target(self) -> str:
        """The CPU the artifacts are made for, ``auto`` resolved."""
        return cpu_target() if self.cpu == "auto" else self.cpu

    @property
    def splits(self) -> tuple[str, ...]:
        """The data it needs, as ``load_data`` takes it: the test split, and the training split where a step sees images."""
        test = f"{self.dataset}:test"
        return (test, f"{self.dataset}:train") if self._any(needs_calibration) else (test,)

    def wants_many(self) -> bool:
        """Tell whether a recipe repairs or searches."""
        return self._any(needs_many)

    def _any(self, needs: Callable[[Iterable[CompressionStep]], bool]) -> bool:
        return any(needs(parse_recipe(text, {})) for text in self.recipes)

    def quantization(self, choice: CalibrationChoice | None) -> dict[str, OptionValue]:
        """Return the options of every quantization step."""
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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CellRun:
    """Where a cell runs: results go into ``folder``; ``command`` and ``started_at`` as the record says.

    ``model`` is the folder of the trained network and ``manifests`` those of calibration manifests,
    looked up by name where they are ``None``.
    """

    folder: Path
    command: tuple[str, ...]
    started_at: datetime
    model: Path | None = None
    manifests: tuple[Path, ...] | None = None


def run_cell(cell: StudyCell, run: CellRun, *, stages: Stages = silent_stages) -> RunRecord:
    """Export, compress, compare; artifacts and results go into the run's folder.

    The data set's test split is evaluated, its training split calibrates.
    """
    evaluation = load_data(f"{cell.dataset}:test")
    baseline, entry = _baseline(cell, run, evaluation, stages)
    with contextlib.ExitStack() as stack:
        images = step_images(_image_request(cell, run), baseline, _preprocessing(baseline), evaluation, stack=stack)
        entries = [entry, *_candidates(cell, baseline, run.folder, images, stages)]
    job = Job(
        models=entries,
        images=evaluation,
        options=cell.options,
        folder=run.folder,
        command=run.command,
        started_at=run.started_at,
        manifests=(images.choice.manifest,) if images.choice else (),
    )
    return compare_models(job, stages=stages)


def _baseline(
    cell: StudyCell, run: CellRun, evaluation: ImageSet, stages: Stages
) -> tuple[onnx.ModelProto, NamedModel]:
    progress = stages("export")
    result = exported(str(run.model or cell.model), images=evaluation)
    path = run.folder / ARTIFACTS / f"{cell.model}.onnx"
    save_model(result.model, path)
    progress(1.0, cell.model)
    return result.model, NamedModel(source=path, name=cell.model, recipe=result.recipe)


def _image_request(cell: StudyCell, run: CellRun) -> ImageRequest | None:
    """Say which images the cell's steps are fed, ``None`` where they see none."""
    if len(cell.splits) == 1:
        return None
    return ImageRequest(
        training=load_data(cell.splits[1]),
        size=cell.calibration_size,
        repairs=cell.wants_many(),
        seed=cell.options.seed,
        roots=run.manifests,
    )


def _labels(choice: CalibrationChoice | None) -> OptionValue:
    labels = None if choice is None else choice.images.labels
    return None if labels is None else [int(label) for label in labels]


def _candidates(
    cell: StudyCell, baseline: onnx.ModelProto, folder: Path, images: ChosenImages, stages: Stages
) -> list[NamedModel]:
    progress = stages("compress")
    quantization = cell.quantization(images.choice)
    if images.choice is not None:
        quantization["cache_key"] = cache_key(images.choice, _preprocessing(baseline))
    first, shared = before_steps(baseline), _shared_beginnings(cell.recipes)
    whole = {_beginnings(text)[-1] for text in cell.recipes}
    made_before: dict[str, PartialResult] = {}
    entries = []
    for number, text in enumerate(cell.recipes, start=1):
        result, parent = first, model_sha256(baseline)
        for beginning in _beginnings(text):
            after = made_before.get(beginning)
            if after is None:
                step = parse_recipe(beginning, quantization)[-1]
                after = after_step(result, step, images=images.steps)
            if beginning in shared:
                made_before[beginning] = after
            result = after
            if beginning in whole:
                # The last of these is the recipe's own artifact, and those before it are others of this run.
                made = made_from(result.model, parent)
                parent = model_sha256(made)
        name = artifact_name(text)
        path = folder / ARTIFACTS / f"{name}.onnx"
        save_model(made, path)
        entries.append(NamedModel(source=path, name=name, recipe=result.recipe))
        progress(number / len(cell.recipes), text)
    return entries


def _beginnings(recipe: str) -> list[str]:
    """Return a recipe's first step, its first two, and so on.

    >>> _beginnings("prune:0.5 + repair")
    ['prune:0.5', 'prune:0.5+repair']
    """
    words = [word.strip() for word in recipe.split("+")]
    return ["+".join(words[: n + 1]) for n in range(len(words))]


def _shared_beginnings(recipes: Iterable[str]) -> set[str]:
    """Return what several recipes begin with: made once, since a search or a repair takes minutes."""
    counts = collections.Counter(beginning for recipe in recipes for beginning in _beginnings(recipe))
    return {beginning for beginning, count in counts.items() if count > 1}


def _preprocessing(model: onnx.ModelProto) -> Preprocessing:
    preprocessing = read_embedded(model).preprocessing
    if preprocessing is None:
        message = "an exported model always carries its preprocessing"
        raise AssertionError(message)
    return preprocessing

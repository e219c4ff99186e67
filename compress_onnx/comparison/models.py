"""The models of a comparison: baseline first, each with its file, metadata and preprocessing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

from compress_onnx.data import ImageSet
from compress_onnx.errors import DataError, ModelError
from compress_onnx.model import Model, ModelSource, Signature, describe
from compress_onnx.records import Artifact, Preprocessing, RecipeStep


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NamedModel:
    """A model to be judged, under the name it has in the run; ``recipe`` holds its steps where their seconds are known."""

    source: ModelSource
    name: str
    recipe: tuple[RecipeStep, ...] | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvaluatedModel:
    """A model of a comparison, baseline or candidate: checked against the data, with everything a stage needs to know.

    ``call_batch`` images go into one call because the predictions depend on it, ``None`` where any number may or
    nobody has looked.
    """

    model: Model
    artifact: Artifact
    preprocessing: Preprocessing
    call_batch: int | None = None

    @property
    def name(self) -> str:
        """The artifact's name."""
        return self.artifact.name

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """What it is fed, (C, H, W) or (H, W, C)."""
        return _fed_shape(self.preprocessing)


def expect_unchanged(models: Iterable[EvaluatedModel]) -> None:
    """Raise :class:`ModelError` if a model was written to since it was read: no figure would surely be its own."""
    for evaluated in models:
        evaluated.model.expect_unchanged()


def _fed_shape(known: Preprocessing) -> tuple[int, int, int]:
    size = (known.height, known.width)
    return (known.channels, *size) if known.layout == "NCHW" else (*size, known.channels)


def named_models(paths: Sequence[Path]) -> tuple[NamedModel, ...]:
    """Return models named by file stem; equal stems are numbered.

    >>> [model.name for model in named_models([Path("a/m.onnx"), Path("b/m.onnx")])]
    ['m', 'm-2']
    """
    names: list[str] = []
    for path in paths:
        stem, number = path.stem, 2
        name = stem
        while name in names:
            name, number = f"{stem}-{number}", number + 1
        names.append(name)
    return tuple(NamedModel(source=path, name=name) for path, name in zip(paths, names, strict=True))


def evaluated_models(
    models: Sequence[NamedModel], images: ImageSet, *, fallback: Preprocessing | None, folder: Path | None = None
) -> tuple[EvaluatedModel, ...]:
    """Return the models of a comparison, read once, and checked against each other and the images.

    A model without preprocessing in its metadata gets ``fallback``, else the baseline's. Paths
    inside ``folder`` are recorded relative to it.

    Errors
    ------
    ModelError
        if a file is no image classifier or says nothing about its preprocessing.
    DataError
        if class counts or class orders disagree.
    """
    shared = fallback
    evaluated: list[EvaluatedModel] = []
    for named in models:
        model = Model.of(named.source, name=named.name)
        shared = shared or model.embedded.preprocessing
        preprocessing = _preprocessing(model.embedded.preprocessing or shared, model.signature, model.where)
        _check_classes(model, images)
        artifact = describe(model, name=named.name, shown_path=_shown(model, folder), recipe=named.recipe)
        candidate = EvaluatedModel(model=model, artifact=artifact, preprocessing=preprocessing)
        for other in evaluated:
            _check_same_classes(other, candidate)
        evaluated.append(candidate)
    return tuple(evaluated)


def _shown(model: Model, folder: Path | None) -> str:
    if model.path is None or folder is None:
        return model.where.as_posix()
    resolved, base = model.path.resolve(), folder.resolve()
    return resolved.relative_to(base).as_posix() if resolved.is_relative_to(base) else model.path.as_posix()


def _preprocessing(known: Preprocessing | None, takes: Signature, path: Path) -> Preprocessing:
    if known is None:
        raise ModelError(
            "preprocessing in the model's metadata",
            "none",
            where=path,
            remedy="Give it with --mean and --std (values for pixels scaled to 0..1).",
        )
    check_input(known, takes, path)
    return known


def check_input(known: Preprocessing, takes: Signature, path: Path) -> None:
    """Raise :class:`ModelError` unless the model takes what the preprocessing makes."""
    wanted = _fed_shape(known)
    if any(got not in {None, expected} for got, expected in zip(takes.image_shape, wanted, strict=True)):
        raise ModelError(
            f"an input of shape (N, {', '.join(map(str, wanted))}), as the preprocessing makes",
            f"(N, {', '.join('?' if s is None else str(s) for s in takes.image_shape)})",
            where=path,
            remedy="Give the model's own --mean, --std, --size and --layout.",
        )


def class_names_for(data_names: tuple[str, ...], classes: int) -> tuple[str, ...]:
    """Return the data's class names, or numbers where the data names none or has only numbers for some.

    Data without names are numbered up to the largest label that occurs, which need not be the last class.

    >>> class_names_for(("0", "1"), 3), class_names_for(("cat", "dog"), 3)
    (('0', '1', '2'), ('cat', 'dog'))
    """
    numbers = tuple(map(str, range(classes)))
    return numbers if data_names == numbers[: len(data_names)] else data_names


def _check_classes(model: Model, images: ImageSet) -> None:
    data_names, takes = images.info.class_names, model.signature
    if data_names and takes.classes is not None:
        data_names = class_names_for(data_names, takes.classes)
        if takes.classes != len(data_names):
            raise DataError(
                f"a model with {len(data_names)} classes, as {images.info.name} has",
                f"{takes.classes} classes",
                where=model.where,
                remedy="Use the data set the model was trained for.",
            )
    moved = _moved_class(model.embedded.class_names, data_names)
    if moved is not None:
        raise DataError(
            f"the data's class order, with class {moved} being {data_names[moved]!r}",
            repr(model.embedded.class_names[moved]),
            where=model.where,
            remedy="Export the model with the data's class names in the data's order.",
        )


def _check_same_classes(first: EvaluatedModel, other: EvaluatedModel) -> None:
    """Raise unless two models tell the same classes apart, in one order, as far as they say."""
    counts = (first.model.signature.classes, other.model.signature.classes)
    if None not in counts and counts[0] != counts[1]:
        raise DataError(
            f"a model with {counts[0]} classes, as {first.name} has",
            f"{counts[1]} classes",
            where=other.model.where,
            remedy="Compare models of the same classes.",
        )
    names = first.model.embedded.class_names, other.model.embedded.class_names
    moved = _moved_class(names[1], names[0])
    if moved is not None:
        raise DataError(
            f"the class order of {first.name}, with class {moved} being {names[0][moved]!r}",
            repr(names[1][moved]),
            where=other.model.where,
            remedy="Export both models with their classes in one order.",
        )


def _moved_class(names: tuple[str, ...], wanted: tuple[str, ...]) -> int | None:
    """Return the first class that stands elsewhere where ``names`` are ``wanted`` in another order."""
    if names == wanted or sorted(names) != sorted(wanted):
        return None
    return next(i for i, (a, b) in enumerate(zip(names, wanted, strict=True)) if a != b)

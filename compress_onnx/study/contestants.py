"""The models of a comparison: baseline first, each with its file, metadata and preprocessing."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from compress_onnx.compress.footprint import describe
from compress_onnx.data.images import ImageSet
from compress_onnx.errors import DataError, ModelError
from compress_onnx.graph import Embedded, Signature, load_model, read_embedded, signature
from compress_onnx.records import Artifact, Preprocessing, RecipeStep


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A model file to be judged; ``recipe`` holds its steps where their seconds are known."""

    path: Path
    name: str
    recipe: tuple[RecipeStep, ...] | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A model that takes part: checked against the data, with everything a stage needs to know."""

    path: Path
    artifact: Artifact
    signature: Signature
    preprocessing: Preprocessing

    @property
    def name(self) -> str:
        """The artifact's name."""
        return self.artifact.name

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """What it is fed, (C, H, W) or (H, W, C)."""
        return _fed_shape(self.preprocessing)


def _fed_shape(known: Preprocessing) -> tuple[int, int, int]:
    size = (known.height, known.width)
    return (known.channels, *size) if known.layout == "NCHW" else (*size, known.channels)


def named_entries(paths: Sequence[Path]) -> tuple[Entry, ...]:
    """Return entries named by file stem; equal stems are numbered.

    >>> [entry.name for entry in named_entries([Path("a/m.onnx"), Path("b/m.onnx")])]
    ['m', 'm-2']
    """
    names: list[str] = []
    for path in paths:
        stem, number = path.stem, 2
        name = stem
        while name in names:
            name, number = f"{stem}-{number}", number + 1
        names.append(name)
    return tuple(Entry(path=path, name=name) for path, name in zip(paths, names, strict=True))


def contestants(
    entries: Sequence[Entry], images: ImageSet, *, fallback: Preprocessing | None, folder: Path
) -> tuple[Contestant, ...]:
    """Return the models of a comparison, checked against each other and the images.

    A model without preprocessing in its metadata gets ``fallback``, else the baseline's. Paths
    inside ``folder`` are recorded relative to it.

    Errors
    ------
    ModelError
        if a file is no image classifier or says nothing about its preprocessing.
    DataError
        if class counts or class orders disagree.
    """
    known = fallback
    found = []
    for entry in entries:
        model = load_model(entry.path)
        embedded = read_embedded(model, where=entry.path)
        known = known or embedded.preprocessing
        takes = signature(model, where=entry.path)
        preprocessing = _preprocessing(embedded.preprocessing or known, takes, entry.path)
        _check_classes(takes, embedded, images, entry.path)
        artifact = describe(entry.path, name=entry.name, shown_path=_shown(entry.path, folder), recipe=entry.recipe)
        found.append(Contestant(path=entry.path, artifact=artifact, signature=takes, preprocessing=preprocessing))
    return tuple(found)


def _shown(path: Path, folder: Path) -> str:
    resolved, base = path.resolve(), folder.resolve()
    return resolved.relative_to(base).as_posix() if resolved.is_relative_to(base) else path.as_posix()


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


def _check_classes(takes: Signature, embedded: Embedded, images: ImageSet, path: Path) -> None:
    data_names = images.info.class_names
    if data_names and takes.classes is not None and takes.classes != len(data_names):
        raise DataError(
            f"a model with {len(data_names)} classes, as {images.info.name} has",
            f"{takes.classes} classes",
            where=path,
            remedy="Use the data set the model was trained for.",
        )
    names = embedded.class_names
    if names and data_names and names != data_names and sorted(names) == sorted(data_names):
        first = next(i for i, (a, b) in enumerate(zip(names, data_names, strict=True)) if a != b)
        raise DataError(
            f"the data's class order, with class {first} being {data_names[first]!r}",
            repr(names[first]),
            where=path,
            remedy="Export the model with the data's class names in the data's order.",
        )

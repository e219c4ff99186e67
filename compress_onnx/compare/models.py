"""The models of a comparison: baseline first, each with its file, metadata and preprocessing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

from compress_onnx.data import ImageSet
from compress_onnx.errors import DataError, ModelError
from compress_onnx.model import (
    Embedded,
    Signature,
    WholeModel,
    described,
    expect_identity,
    expect_unchanged,
    read_embedded,
    read_model,
    signature_of,
    whole_model,
)
from compress_onnx.records import Artifact, Preprocessing, RecipeStep
from compress_onnx.runtime import GraphSigns, signs_of


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A model file to be judged; ``recipe`` holds its steps where their seconds are known."""

    path: Path
    name: str
    recipe: tuple[RecipeStep, ...] | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A model that takes part: checked against the data, with everything a stage needs to know.

    ``signs`` are what its graph says of images that change each other's answers; ``call_batch`` images go
    into one call because the answers depend on it, ``None`` where any number may or nobody has looked.
    """

    path: Path
    artifact: Artifact
    signature: Signature
    preprocessing: Preprocessing
    class_names: tuple[str, ...] = ()
    signs: GraphSigns = dataclasses.field(default_factory=GraphSigns)
    call_batch: int | None = None

    @property
    def name(self) -> str:
        """The artifact's name."""
        return self.artifact.name

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """What it is fed, (C, H, W) or (H, W, C)."""
        return _fed_shape(self.preprocessing)

    def whole(self) -> WholeModel:
        """Read the file again, and be sure that it is the one of the artifact.

        Errors
        ------
        ModelError
            if its bytes, or those of its data files, are others now.
        """
        whole = whole_model(self.path)
        expect_identity(self.path, whole.sha256, self.artifact.sha256)
        return whole


def expect_untouched(parties: Iterable[Contestant]) -> None:
    """Raise :class:`ModelError` if a file was written to since it was described: no figure would surely be its own."""
    for party in parties:
        expect_unchanged(party.path, party.artifact.sha256)


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
    found: list[Contestant] = []
    for entry in entries:
        read = read_model(entry.path)
        model, embedded = read.model, read_embedded(read.model, where=entry.path)
        known = known or embedded.preprocessing
        takes = signature_of(model, where=entry.path)
        preprocessing = _preprocessing(embedded.preprocessing or known, takes, entry.path)
        _check_classes(takes, embedded, images, entry.path)
        artifact = described(read, name=entry.name, shown_path=_shown(entry.path, folder), recipe=entry.recipe)
        party = Contestant(
            path=entry.path,
            artifact=artifact,
            signature=takes,
            preprocessing=preprocessing,
            class_names=embedded.class_names,
            signs=signs_of(model),
        )
        for earlier in found:
            _check_same_classes(earlier, party)
        found.append(party)
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


def class_names_for(data_names: tuple[str, ...], classes: int) -> tuple[str, ...]:
    """Return the data's class names, or numbers where the data names none or has only numbers for some.

    Data without names are numbered up to the largest label that occurs, which need not be the last class.

    >>> class_names_for(("0", "1"), 3), class_names_for(("cat", "dog"), 3)
    (('0', '1', '2'), ('cat', 'dog'))
    """
    numbers = tuple(map(str, range(classes)))
    return numbers if data_names == numbers[: len(data_names)] else data_names


def _check_classes(takes: Signature, embedded: Embedded, images: ImageSet, path: Path) -> None:
    data_names = images.info.class_names
    if data_names and takes.classes is not None:
        data_names = class_names_for(data_names, takes.classes)
        if takes.classes != len(data_names):
            raise DataError(
                f"a model with {len(data_names)} classes, as {images.info.name} has",
                f"{takes.classes} classes",
                where=path,
                remedy="Use the data set the model was trained for.",
            )
    moved = _moved_class(embedded.class_names, data_names)
    if moved is not None:
        raise DataError(
            f"the data's class order, with class {moved} being {data_names[moved]!r}",
            repr(embedded.class_names[moved]),
            where=path,
            remedy="Export the model with the data's class names in the data's order.",
        )


def _check_same_classes(first: Contestant, other: Contestant) -> None:
    """Raise unless two models tell the same classes apart, in one order, as far as they say."""
    counts = (first.signature.classes, other.signature.classes)
    if None not in counts and counts[0] != counts[1]:
        raise DataError(
            f"a model with {counts[0]} classes, as {first.name} has",
            f"{counts[1]} classes",
            where=other.path,
            remedy="Compare models of the same classes.",
        )
    moved = _moved_class(other.class_names, first.class_names)
    if moved is not None:
        raise DataError(
            f"the class order of {first.name}, with class {moved} being {first.class_names[moved]!r}",
            repr(other.class_names[moved]),
            where=other.path,
            remedy="Export both models with their classes in one order.",
        )


def _moved_class(names: tuple[str, ...], wanted: tuple[str, ...]) -> int | None:
    """Return the first class that stands elsewhere where ``names`` are ``wanted`` in another order."""
    if names == wanted or sorted(names) != sorted(wanted):
        return None
    return next(i for i, (a, b) in enumerate(zip(names, wanted, strict=True)) if a != b)

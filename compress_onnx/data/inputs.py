"""Images that come as the model takes them: batches of a ``DataLoader``, or arrays of floats, gone through once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_onnx.data.arrays import Source, checked_labels, picture_set, row_ids
from compress_onnx.data.images import ImageSet, named_classes, valid_labels
from compress_onnx.data.mapping import IN_MEMORY_BYTES, mapped, mapped_empty
from compress_onnx.data.preprocess import pictures_of, preprocess
from compress_onnx.errors import DataError
from compress_onnx.files import sha256_of
from compress_onnx.records import DatasetInfo, Preprocessing

_REMEDY = "Give batches of (inputs, labels): float32 as the model takes them, or uint8 pictures (B, H, W, 3)."
# So many inputs are turned back into pictures at once.
_CHUNK = 256


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InputSet(ImageSet):
    """N model inputs: ``values`` (N, C, H, W) or (N, H, W, C) float32, fed as they are.

    What is shown of them are the pictures that ``form`` would have made them from.
    """

    values: NDArray[np.float32]
    form: Preprocessing

    @property
    def own_form(self) -> Preprocessing | None:
        """How the images are fed: as they are."""
        return self.form

    def inputs(self, start: int, stop: int, preprocessing: Preprocessing) -> NDArray[np.float32]:
        """Return rows ``start`` to ``stop``.

        Errors
        ------
        DataError
            if a model with this preprocessing takes another shape.
        """
        expect_shape(self.values.shape[1:], preprocessing)
        return np.asarray(self.values[start:stop])

    def pixels(self, start: int, stop: int, preprocessing: Preprocessing) -> NDArray[np.uint8]:
        """Return the pictures of rows ``start`` to ``stop``, (B, H, W, 3) uint8."""
        del preprocessing
        return pictures_of(np.asarray(self.values[start:stop]), self.form)

    def subset(self, indices: NDArray[np.int64], *, split: str) -> ImageSet:
        """Return the chosen inputs, in that order, under another split's name."""
        # A class with slots is made anew, so that super() without arguments does not know it.
        chosen = ImageSet.subset(self, indices, split=split)
        fields = {field.name: getattr(chosen, field.name) for field in dataclasses.fields(ImageSet)}
        return InputSet(**fields, values=self.values[indices], form=self.form)

    def seen_by(self, preprocessing: Preprocessing) -> ImageSet:
        """Return the set as a model with this preprocessing sees it.

        Where its inputs are, to the last bit, what that preprocessing makes of pictures, the pictures are returned,
        so that the same images are the same data set however they come.

        Errors
        ------
        DataError
            if the model takes another shape.
        """
        expect_shape(self.values.shape[1:], preprocessing)
        seen = _input_set(self.values, self.labels, self.info, preprocessing)
        pictures = [
            seen.pixels(start, start + _CHUNK, preprocessing)
            for start in range(0, len(self), _CHUNK)
            if _comes_back(self.values[start : start + _CHUNK], preprocessing)
        ]
        if sum(map(len, pictures)) < len(self):
            return seen
        source = Source(name=self.info.name, split=self.info.split)
        return picture_set(np.concatenate(pictures), self.labels, source=source)


def expect_shape(shape: tuple[int, ...], preprocessing: Preprocessing) -> None:
    """Raise :class:`DataError` unless inputs of this shape, without the batch, are what a model takes."""
    size = (preprocessing.height, preprocessing.width)
    wanted = (preprocessing.channels, *size) if preprocessing.layout == "NCHW" else (*size, preprocessing.channels)
    if shape != wanted:
        raise DataError(
            f"inputs of shape (N, {', '.join(map(str, wanted))}), as the model takes",
            f"(N, {', '.join(map(str, shape))})",
            where="data",
            remedy="Resize and lay out the images as the model takes them, or give uint8 pictures (N, H, W, 3).",
        )


def _comes_back(values: NDArray[np.float32], form: Preprocessing) -> bool:
    return np.array_equal(preprocess(pictures_of(np.asarray(values), form), form), values)


def array_set(images: Any, labels: Any, *, name: str = "arrays") -> ImageSet:
    """Return arrays as an image set: uint8 pictures (N, H, W, 3), or float inputs as the model takes them.

    Errors
    ------
    DataError
        if they are neither, or labels are not one integer per image.
    """
    return batch_set([(images, labels)], name=name)


def batch_set(batches: Iterable[Any], *, name: str = "batches", in_memory_bytes: int = IN_MEMORY_BYTES) -> ImageSet:
    """Go once through batches of (inputs, labels) and return them as an image set.

    A batch is a pair, or inputs alone where there are no labels: arrays or tensors, float32 (B, C, H, W) or
    (B, H, W, C) as the model takes them, or uint8 pictures (B, H, W, 3). Inputs beyond ``in_memory_bytes``
    are kept in a temporary file that is gone with the set.

    Errors
    ------
    DataError
        if there is no batch, batches differ in shape or type, or labels are not one integer per image.
    """
    source = Source(name=name, where="data", remedy=_REMEDY)
    collected = _Collected(in_memory_bytes, source)
    for batch in batches:
        collected.add(*_pair(batch, source))
    values, labels = collected.values(), collected.labels()
    if values.dtype == np.uint8:
        return picture_set(values, labels, source=source)
    if labels is not None:
        valid_labels(labels, named_classes(labels), where=source.where)
    info = DatasetInfo(
        name=name,
        split="all",
        n=len(values),
        class_names=named_classes(labels) if labels is not None else (),
        sha256="",
    )
    return _input_set(values, labels, info, _plain(values.shape))


def _input_set(
    values: NDArray[np.float32], labels: NDArray[np.int64] | None, info: DatasetInfo, form: Preprocessing
) -> InputSet:
    digest = info.sha256 or sha256_of(
        repr((values.shape, "float32")).encode(),
        values.tobytes(),
        b"" if labels is None else labels.astype("<i8").tobytes(),
    )
    return InputSet(
        info=dataclasses.replace(info, sha256=digest),
        sample_ids=row_ids(len(values)),
        labels=labels,
        read=lambda row: pictures_of(np.asarray(values[row : row + 1]), form)[0],
        values=values,
        form=form,
    )


def _plain(shape: tuple[int, ...]) -> Preprocessing:
    """Return the preprocessing that only scales pixels to 0..1 and lays them out as in inputs of this shape."""
    first = shape[1] in {1, 3} or shape[3] not in {1, 3}
    channels, height, width = (shape[1], shape[2], shape[3]) if first else (shape[3], shape[1], shape[2])
    return Preprocessing(
        height=height, width=width, mean=(0.0,) * channels, std=(1.0,) * channels, layout="NCHW" if first else "NHWC"
    )


def _pair(batch: Any, source: Source) -> tuple[NDArray[Any], NDArray[Any] | None]:
    if isinstance(batch, tuple | list) and len(batch) == 2:
        images, labels = batch
        return _array(images, source), None if labels is None else _array(labels, source)
    if isinstance(batch, tuple | list | dict):
        got = f"a {type(batch).__name__} of {len(batch)}"
        raise DataError("batches of (inputs, labels)", got, where=source.where, remedy=source.remedy)
    return _array(batch, source), None


def _array(values: Any, source: Source) -> NDArray[Any]:
    """Return an array or a tensor, from whatever device, as an array."""
    tensor = values.detach().cpu() if hasattr(values, "detach") else values
    try:
        array = np.asarray(tensor)
    except (TypeError, ValueError) as error:
        raise DataError("arrays", type(values).__name__, where=source.where, remedy=source.remedy) from error
    if array.dtype.kind not in "iufb":
        raise DataError("arrays of numbers", f"{type(values).__name__}", where=source.where, remedy=source.remedy)
    return array


class _Collected:
    """Inputs and labels of the batches so far; large ones are written to a file as they come."""

    def __init__(self, in_memory_bytes: int, source: Source) -> None:
        self._limit, self._source = in_memory_bytes, source
        self._parts: list[NDArray[Any]] = []
        self._labels: list[NDArray[np.int64] | None] = []
        self._bytes = 0

    def add(self, images: NDArray[Any], labels: NDArray[Any] | None) -> None:
        """Take one batch."""
        part = self._checked(images)
        self._labels.append(None if labels is None else checked_labels(labels, len(part), self._source))
        self._bytes += part.nbytes
        self._parts.append(part if self._bytes <= self._limit else mapped(part))

    def _checked(self, images: NDArray[Any]) -> NDArray[Any]:
        got = f"{images.dtype} of shape {images.shape}"
        if images.dtype == np.uint8:
            if images.ndim != 3 and (images.ndim != 4 or images.shape[3] != 3):
                raise self._refused("uint8 pictures (B, H, W, 3)", got)
            part: NDArray[Any] = images
        elif images.dtype.kind == "f" and images.ndim == 4:
            # A copy: a loader may fill one buffer again and again.
            part = np.array(images, dtype=np.float32)
        else:
            raise self._refused("float32 inputs of four dimensions as the model takes them, or uint8 pictures", got)
        if self._parts and (part.shape[1:], part.dtype) != (self._parts[0].shape[1:], self._parts[0].dtype):
            first = self._parts[0]
            raise self._refused(f"batches like the first, {first.dtype} of shape {first.shape}", got)
        return np.array(part) if part is images else part

    def _refused(self, expected: str, got: str) -> DataError:
        return DataError(expected, got, where=self._source.where, remedy=self._source.remedy)

    def values(self) -> NDArray[Any]:
        """Return all inputs, (N, ...)."""
        if not sum(map(len, self._parts)):
            raise DataError(
                "at least one image",
                "none",
                where=self._source.where,
                remedy="A generator gives its batches once: make it anew, or give a list or a DataLoader.",
            )
        if self._bytes <= self._limit:
            return np.concatenate(self._parts)
        shape = (sum(map(len, self._parts)), *self._parts[0].shape[1:])
        whole = mapped_empty(shape, self._parts[0].dtype)
        np.concatenate(self._parts, out=whole)
        return whole

    def labels(self) -> NDArray[np.int64] | None:
        """Return all labels (N,), ``None`` where no batch has any."""
        known = [labels for labels in self._labels if labels is not None]
        if known and len(known) < len(self._labels):
            raise self._refused("labels in every batch or in none", f"{len(known)} of {len(self._labels)} with labels")
        return np.concatenate(known) if known else None

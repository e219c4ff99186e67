"""A candidate's mean saliency maps and two examples as ``saliency/<artifact>.npz``."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from compress_onnx.errors import RecordError
from compress_onnx.files import BROKEN_ARCHIVE, written_whole
from compress_onnx.records import SaliencyMaps

SALIENCY_FOLDER = "saliency"
# What the folder was called in runs of schema version 2; these are still read.
_OLD_FOLDER = "attention"


def save_saliency_maps(maps: SaliencyMaps, folder: Path, name: str) -> None:
    """Write one candidate's mean maps and examples as ``saliency/<name>.npz``."""
    arrays = {field.name: getattr(maps, field.name) for field in dataclasses.fields(maps)}
    with written_whole(folder / SALIENCY_FOLDER / f"{name}.npz") as part, part.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def load_saliency_maps(folder: Path, name: str) -> SaliencyMaps | None:
    """Read one candidate's mean maps and examples, ``None`` if they are not there.

    Errors
    ------
    RecordError
        if the file is no such archive, or an array is missing or of the wrong shape.
    """
    paths = (folder / place / f"{name}.npz" for place in (SALIENCY_FOLDER, _OLD_FOLDER))
    path = next((path for path in paths if path.exists()), None)
    return None if path is None else _load(path)


def _load(path: Path) -> SaliencyMaps:
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            maps = SaliencyMaps(**{field.name: archive[field.name] for field in dataclasses.fields(SaliencyMaps)})
        _expect_maps(maps)
    except BROKEN_ARCHIVE as error:
        got = str(error) or type(error).__name__
        raise RecordError("saliency maps in .npz", got, where=path, remedy="Make the run again.") from error
    return maps


def _expect_maps(maps: SaliencyMaps) -> None:
    """Raise ``ValueError`` unless the arrays have the documented types, and shapes that fit each other."""
    means = (maps.mean_baseline, maps.mean_candidate, maps.mean_difference, maps.significant)
    examples = (maps.example_baseline, maps.example_candidate)
    kinds = "".join(array.dtype.kind for array in (*means, maps.example_ids, maps.example_pixels, *examples))
    count = len(maps.example_ids)
    shapes = {array.shape for array in means}, {array.shape for array in (*examples, maps.example_pixels[..., 0])}
    if kinds != "fffbUuff" or len(shapes[0]) != 1 or len(shapes[1]) != 1 or maps.example_deviation.shape != (count,):
        message = f"arrays of kinds {kinds} and shapes {sorted(map(str, shapes[0] | shapes[1]))}"
        raise ValueError(message)

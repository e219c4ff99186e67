"""A candidate's mean saliency maps and two examples as ``saliency/<artifact>.npz``."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from compress_onnx.records import SaliencyMaps
from compress_onnx.store.archives import archive, write_archive

SALIENCY_FOLDER = "saliency"
# What the folder was called in runs of schema version 2; these are still read.
_OLD_FOLDER = "attention"


def save_saliency_maps(maps: SaliencyMaps, folder: Path, name: str) -> None:
    """Write one candidate's mean maps and examples as ``saliency/<name>.npz``."""
    arrays = {field.name: getattr(maps, field.name) for field in dataclasses.fields(maps)}
    write_archive(folder / SALIENCY_FOLDER / f"{name}.npz", arrays)


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
    with archive(path, "saliency maps") as arrays:
        maps = SaliencyMaps(**{field.name: arrays[field.name] for field in dataclasses.fields(SaliencyMaps)})
        _expect_maps(maps)
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

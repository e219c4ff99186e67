"""Calibration images for a command: an existing manifest where one fits, else a new choice."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

from compress_onnx.data import (
    CalibrationManifest,
    ImageSet,
    calibration_images,
    check_disjoint,
    choose_calibration,
    content_hashes,
    load_manifest,
    manifest_of_text,
)
from compress_onnx.files import sha256_of
from compress_onnx.model import Model
from compress_onnx.options import lookup_folders
from compress_onnx.records import CalibrationInfo

# What the manifest beside a model is called, in place of .onnx.
SIDECAR = ".calibration.json"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CalibrationChoice:
    """The images that calibrate, the manifest that names them and what a record says of it."""

    images: ImageSet
    manifest: CalibrationManifest
    info: CalibrationInfo


def manifest_roots() -> tuple[Path, ...]:
    """Return the folders in which manifests are looked up, first to last."""
    return lookup_folders("calibration")


def calibration_for(
    training: ImageSet, n: int, *, seed: int, evaluation: ImageSet | None, roots: tuple[Path, ...] | None = None
) -> CalibrationChoice:
    """Return ``n`` class-balanced training images that are not evaluated.

    A manifest of the same data, size and seed in ``roots`` (``calibration/`` by default) is used;
    else images are chosen, leaving out all that ``evaluation`` holds.

    Errors
    ------
    DataError
        if the manifest shares pictures with ``evaluation``, or there are too few images.
    """
    manifest = _existing(training, n, seed, manifest_roots() if roots is None else roots)
    if manifest is None:
        excluded = frozenset() if evaluation is None else content_hashes(evaluation)
        manifest = choose_calibration(training, n, seed=seed, exclude_sha256=excluded)
    elif evaluation is not None:
        info = evaluation.info
        check_disjoint(manifest, content_hashes(evaluation), where=f"{info.name}:{info.split}")
    return CalibrationChoice(
        images=calibration_images(manifest, training), manifest=manifest, info=calibration_info(manifest)
    )


def is_filed(manifest: CalibrationManifest) -> bool:
    """Tell whether a ``calibration/`` folder holds this manifest."""
    wanted = calibration_info(manifest).sha256
    return any(calibration_info(found).sha256 == wanted for found in _filed(manifest.dataset, manifest_roots()))


def beside(model: Path) -> Path:
    """Return where a model's own manifest stands: beside it."""
    return model.with_suffix(SIDECAR)


def manifests_of(models: Iterable[Model]) -> tuple[CalibrationManifest, ...]:
    """Return the manifests, each once, of the images that calibrated the given models.

    A model that names none, or one that is not at hand, adds nothing.
    """
    found = {manifest.name: manifest for model in models if (manifest := _manifest_of(model)) is not None}
    return tuple(found.values())


def _manifest_of(model: Model) -> CalibrationManifest | None:
    wanted = {step.options.get("calibration") for step in model.embedded.recipe} - {None}
    manifests = [*_own(model), *_filed("", manifest_roots())] if wanted else []
    return next((manifest for manifest in manifests if calibration_info(manifest).sha256 in wanted), None)


def _own(model: Model) -> Iterator[CalibrationManifest]:
    """Yield the manifest that a model carries, or that stands beside its file."""
    if SIDECAR in model.sidecars:
        yield manifest_of_text(model.sidecars[SIDECAR], where=model.where)
    elif model.path is not None and beside(model.path).exists():
        yield load_manifest(beside(model.path))


def _filed(dataset: str, roots: Iterable[Path]) -> Iterator[CalibrationManifest]:
    for root in roots:
        yield from (load_manifest(path) for path in sorted(root.glob(f"{dataset}*.json")))


def _existing(training: ImageSet, n: int, seed: int, roots: tuple[Path, ...]) -> CalibrationManifest | None:
    wanted = (training.info.sha256, n, seed)
    fitting = (
        manifest
        for manifest in _filed(training.info.name, roots)
        if (manifest.dataset_sha256, len(manifest.sample_ids), manifest.seed) == wanted
    )
    return next(fitting, None)


def calibration_info(manifest: CalibrationManifest) -> CalibrationInfo:
    """Return what a record says of a manifest; its hash covers the pictures' contents and order."""
    return CalibrationInfo(
        manifest=manifest.name,
        n=len(manifest.sample_ids),
        seed=manifest.seed,
        sha256=sha256_of("\n".join(manifest.sample_sha256).encode()),
    )

"""Grids: a specification in TOML becomes cells, run one after the other; finished ones are kept."""

from __future__ import annotations

import dataclasses
import itertools
import json
import tomllib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from compress_onnx import config
from compress_onnx.config import Stages, silent_stages
from compress_onnx.errors import OptionError
from compress_onnx.extension_points import attribution, attributions, datasets
from compress_onnx.files import sha256_of, sha256_of_file, write_text
from compress_onnx.records import RunRecord
from compress_onnx.registry import unknown
from compress_onnx.runtime.cpu import environment
from compress_onnx.runtime.latency import LatencyPlan
from compress_onnx.runtime.machines import expect_same_machine
from compress_onnx.store import RUN_FILE, load_run
from compress_onnx.study.cell import Cell, run_cell
from compress_onnx.study.options import NO_SALIENCY, CompareOptions
from compress_onnx.study.reports import write_report
from compress_onnx.zoo.folders import CARD, model_folder, model_names

CELL_FILE = "cell.sha256"
_LISTS = ("networks", "datasets", "recipes")
_KINDS = {"saliency": str, "saliency_samples": int, "calibration_size": int, "latency": bool}
_KIND_NAMES = {str: "a name", int: "a whole number", bool: "true or false"}
_FIELDS = (*_LISTS, "seeds", *_KINDS)


def load_spec(path: Path) -> tuple[Cell, ...]:
    """Read a study's specification and return its cells: networks x data sets x seeds.

    ::

        networks = ["lenet5"]
        datasets = ["cifar10", "gtsrb"]
        recipes = ["prune:0.5", "w8a8", "prune:0.5+w8a8"]
        seeds = [0]                # optional, as are the following
        saliency = "gradient"
        saliency_samples = 500
        calibration_size = 512
        latency = true

    Errors
    ------
    OptionError
        if the file is missing, not TOML, or a field is missing, empty or of another type.
    UnknownNameError
        if a field, a network, a data set or a recipe step is unknown.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OptionError(
            "a study specification in TOML", getattr(error, "strerror", None) or str(error), where=path
        ) from error
    return cells_of(raw, where=path)


def cells_of(raw: dict[str, Any], *, where: object = "") -> tuple[Cell, ...]:
    """Return the cells of a specification given as plain data."""
    for name in raw:
        if name not in _FIELDS:
            raise unknown("field of a study", name, _FIELDS, where=str(where))
    for name in _LISTS:
        _expect_strings(name, raw.get(name), where)
    _expect_kinds(raw, where)
    _expect_known(raw)
    grid = itertools.product(raw["networks"], raw["datasets"], _seeds(raw, where))
    return tuple(_cell(network, dataset, seed, raw) for network, dataset, seed in grid)


def _expect_strings(name: str, found: object, where: object) -> None:
    if not isinstance(found, list) or not found or not all(isinstance(item, str) for item in found):
        raise OptionError(f"{name} as a list of names", repr(found), where=where)
    if len(set(found)) < len(found):
        raise OptionError(f"each of {name} once", repr(found), where=where)


def _expect_kinds(raw: dict[str, Any], where: object) -> None:
    for name, kind in _KINDS.items():
        # Not isinstance: a truth value is an int, but no number.
        if name in raw and type(raw[name]) is not kind:
            raise OptionError(f"{name} as {_KIND_NAMES[kind]}", repr(raw[name]), where=where)


def _expect_known(raw: dict[str, Any]) -> None:
    """Refuse now what would end the study hours later."""
    for dataset in raw["datasets"]:
        if dataset not in datasets():
            raise unknown("data set", dataset, datasets().names())
    for network, dataset in itertools.product(raw["networks"], raw["datasets"]):
        if f"{network}-{dataset}" not in model_names():
            raise unknown("trained model", f"{network}-{dataset}", model_names(), where="models/")
    methods = [NO_SALIENCY, *attributions().names()]
    wanted = raw.get("saliency", NO_SALIENCY)
    if wanted.partition(":")[0] not in methods:
        raise unknown("attribution method", wanted, methods)
    if wanted != NO_SALIENCY:
        attribution(wanted)


def _seeds(raw: dict[str, Any], where: object) -> list[int]:
    seeds = raw.get("seeds", [config.SEED.default])
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int for seed in seeds):
        raise OptionError("seeds as a list of whole numbers", repr(seeds), where=where)
    if len(set(seeds)) < len(seeds):
        raise OptionError("each seed once", repr(seeds), where=where)
    return seeds


def _cell(network: str, dataset: str, seed: int, raw: dict[str, Any]) -> Cell:
    return Cell(
        model=f"{network}-{dataset}",
        dataset=dataset,
        recipes=tuple(raw["recipes"]),
        options=CompareOptions(
            saliency=raw.get("saliency", "gradient"),
            saliency_samples=raw.get("saliency_samples", config.SALIENCY_SAMPLES.default),
            latency=LatencyPlan() if raw.get("latency", True) else None,
            seed=seed,
        ),
        calibration_size=raw.get("calibration_size", config.CALIBRATION_SIZE.default),
    )


def cell_name(cell: Cell) -> str:
    """Return the folder's name of a cell."""
    return f"{cell.model}-seed{cell.options.seed}"


def cell_sha256(cell: Cell) -> str:
    """Return the hash of what a cell asks for, the trained model included."""
    asked = {
        "model": cell.model,
        "card": sha256_of_file(model_folder(cell.model) / CARD),
        "dataset": cell.dataset,
        "recipes": cell.recipes,
        "options": cell.options.recorded(),
        "calibration": [cell.calibration_size, cell.method, cell.target],
    }
    return sha256_of(json.dumps(asked, sort_keys=True).encode())


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A finished cell: its name, folder and record."""

    name: str
    folder: Path
    record: RunRecord


def run_grid(
    cells: tuple[Cell, ...],
    folder: Path,
    *,
    command: tuple[str, ...],
    now: Callable[[], datetime],
    stages: Stages = silent_stages,
) -> Iterator[Finished]:
    """Run the cells in order and yield each when it is done; a finished cell is not run again.

    Each cell has its own folder with record and report under ``folder``.

    Errors
    ------
    MachineError
        if a finished cell's latency was measured on another machine than this one.
    """
    progress = stages("study")
    for number, cell in enumerate(cells):
        place = folder / cell_name(cell)
        progress(number / len(cells), cell_name(cell))
        if not _is_finished(cell, place):
            run_cell(cell, place, command=command, started_at=now(), stages=stages)
            write_report(place)
            write_text(place / CELL_FILE, cell_sha256(cell) + "\n")
        record = load_run(place)
        if cell.options.latency is not None:
            expect_same_machine(environment(), record.environment, where=place)
        yield Finished(name=cell_name(cell), folder=place, record=record)
    progress(1.0, "done")


def _is_finished(cell: Cell, place: Path) -> bool:
    marker = place / CELL_FILE
    return (place / RUN_FILE).is_file() and marker.is_file() and marker.read_text().strip() == cell_sha256(cell)

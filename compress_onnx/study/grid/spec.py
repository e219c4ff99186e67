"""A study's specification: networks, data sets, recipes and seeds, from TOML or by the name of a preset."""

from __future__ import annotations

import dataclasses
import itertools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compress_onnx.compare import NO_SALIENCY, CompareOptions
from compress_onnx.errors import OptionError
from compress_onnx.extension_points import attribution, attributions, datasets
from compress_onnx.options import CALIBRATION_SIZE, CPU, METHOD, SALIENCY_SAMPLES, SEED
from compress_onnx.records import OptionValue
from compress_onnx.registry import unknown
from compress_onnx.runtime import LatencyPlan
from compress_onnx.study.cells import StudyCell
from compress_onnx.zoo import model_names

PRESETS = Path(__file__).parent / "presets"
_LISTS = ("networks", "datasets", "recipes")
_KINDS = {
    "saliency": str,
    "saliency_samples": int,
    "calibration_size": int,
    "latency": bool,
    "method": str,
    "cpu": str,
}
_KIND_NAMES = {str: "a name", int: "a whole number", bool: "true or false"}
_FIELDS = ("preset", *_LISTS, "seeds", *_KINDS)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a study asks for, resolved: every network on every data set with every seed, and all recipes of each."""

    networks: tuple[str, ...]
    datasets: tuple[str, ...]
    recipes: tuple[str, ...]
    seeds: tuple[int, ...] = (SEED.default,)
    saliency: str = "gradient"
    saliency_samples: int = SALIENCY_SAMPLES.default
    calibration_size: int = CALIBRATION_SIZE.default
    latency: bool = True
    method: str = METHOD.default
    cpu: str = CPU.default

    def cells(self) -> tuple[StudyCell, ...]:
        """Return the cells, one per network, data set and seed."""
        return tuple(self._cell(*axes) for axes in itertools.product(self.networks, self.datasets, self.seeds))

    def _cell(self, network: str, dataset: str, seed: int) -> StudyCell:
        options = CompareOptions(
            saliency=self.saliency,
            saliency_samples=self.saliency_samples,
            latency=LatencyPlan() if self.latency else None,
            seed=seed,
        )
        cell = StudyCell(
            model=f"{network}-{dataset}",
            dataset=dataset,
            recipes=self.recipes,
            options=options,
            calibration_size=self.calibration_size,
            method=self.method,
            cpu=self.cpu,
        )
        # Resolved here: a cluster's workers may have other CPUs, and all make the same files.
        return dataclasses.replace(cell, cpu=cell.target)

    def recorded(self) -> dict[str, OptionValue]:
        """Return the specification as a record keeps it."""
        plain = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}


def preset_names() -> list[str]:
    """Return the names of the presets that come with the package."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def load_spec(source: Path, changes: Mapping[str, Any] | None = None) -> Spec:
    """Read a specification from a TOML file, or take the preset of that name; ``changes`` replace fields.

    ::

        preset = "paper"           # optional: what is left out below is the preset's
        networks = ["lenet5"]
        datasets = ["cifar10", "gtsrb"]
        recipes = ["prune:0.5", "w8a8", "prune:0.5+w8a8"]
        seeds = [0]                # optional, as are the following
        saliency = "gradient"
        saliency_samples = 500
        calibration_size = 512
        latency = true
        method = "minmax"
        cpu = "auto"

    Errors
    ------
    OptionError
        if the file is missing, not TOML, or a field is missing, empty or of another type.
    UnknownNameError
        if a field, a preset, a network, a data set or a recipe step is unknown.
    """
    named = not source.exists() and not source.suffix and source.name == str(source)
    raw = {"preset": str(source)} if named else _toml(source)
    return spec_of({**raw, **(changes or {})}, where=source)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        got = getattr(error, "strerror", None) or str(error)
        remedy = f"Write one, or name a preset: {', '.join(preset_names())}."
        raise OptionError("a study specification in TOML", got, where=path, remedy=remedy) from error


def spec_of(raw: Mapping[str, Any], *, where: object = "") -> Spec:
    """Return the specification given as plain data."""
    for name in raw:
        if name not in _FIELDS:
            raise unknown("field of a study", name, _FIELDS, where=str(where))
    whole = {**_preset(raw, where), **raw}
    whole.pop("preset", None)
    for name in _LISTS:
        _expect_strings(name, whole.get(name), where)
    _expect_kinds(whole, where)
    _expect_seeds(whole.get("seeds", [SEED.default]), where)
    _expect_known(whole)
    fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in whole.items()}
    spec = Spec(**fields)
    # Recipes and options are checked as cells are made.
    spec.cells()
    return spec


def _preset(raw: Mapping[str, Any], where: object) -> dict[str, Any]:
    name = raw.get("preset")
    if name is None:
        return {}
    if not isinstance(name, str):
        raise OptionError("preset as a name", repr(name), where=where)
    if name not in preset_names():
        raise unknown("preset or a study specification in TOML", name, preset_names())
    return _toml(PRESETS / f"{name}.toml")


def _expect_strings(name: str, found: object, where: object) -> None:
    if not isinstance(found, list) or not found or not all(isinstance(item, str) for item in found):
        raise OptionError(f"{name} as a list of names, at least one", repr(found), where=where)
    if len(set(found)) < len(found):
        raise OptionError(f"each of {name} once", repr(found), where=where)


def _expect_kinds(raw: Mapping[str, Any], where: object) -> None:
    for name, kind in _KINDS.items():
        # Not isinstance: a truth value is an int, but no number.
        if name in raw and type(raw[name]) is not kind:
            raise OptionError(f"{name} as {_KIND_NAMES[kind]}", repr(raw[name]), where=where)


def _expect_seeds(seeds: object, where: object) -> None:
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int for seed in seeds):
        raise OptionError("seeds as a list of whole numbers, at least one", repr(seeds), where=where)
    if len(set(seeds)) < len(seeds):
        raise OptionError("each seed once", repr(seeds), where=where)


def _expect_known(raw: Mapping[str, Any]) -> None:
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

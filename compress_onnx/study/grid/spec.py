"""A study's specification: networks, data sets, recipes and seeds, from TOML or by the name of a preset."""

from __future__ import annotations

import dataclasses
import itertools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pydantic
from pydantic import AfterValidator, Field, StrictBool, StrictInt, StrictStr

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
T = TypeVar("T")
_LISTS = {
    **dict.fromkeys(("networks", "datasets", "recipes"), "a list of names, at least one"),
    "seeds": "a list of whole numbers, at least one",
}
_KINDS = {"string_type": "a name", "int_type": "a whole number", "bool_type": "true or false"}


def _each_once(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) < len(values):
        raise ValueError
    return values


Names = Annotated[tuple[StrictStr, ...], Field(min_length=1), AfterValidator(_each_once)]
Seeds = Annotated[tuple[StrictInt, ...], Field(min_length=1), AfterValidator(_each_once)]


@pydantic.dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a study asks for, resolved: every network on every data set with every seed, and all recipes of each."""

    networks: Names
    datasets: Names
    recipes: Names
    seeds: Seeds = (SEED.default,)
    saliency: StrictStr = "gradient"
    saliency_samples: StrictInt = SALIENCY_SAMPLES.default
    calibration_size: StrictInt = CALIBRATION_SIZE.default
    latency: StrictBool = True
    method: StrictStr = METHOD.default
    cpu: StrictStr = CPU.default

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
    fields = ("preset", *(field.name for field in dataclasses.fields(Spec)))
    for name in raw:
        if name not in fields:
            raise unknown("field of a study", name, fields, where=str(where))
    whole = {**_preset(raw, where), **raw}
    whole.pop("preset", None)
    try:
        spec = Spec(**whole)
    except pydantic.ValidationError as error:
        raise _refusal(error, whole, where) from error
    _expect_names(spec)
    if "saliency" in whole and spec.saliency != NO_SALIENCY:
        attribution(spec.saliency)
    # Recipes and options are checked as cells are made.
    spec.cells()
    return spec


def _refusal(error: pydantic.ValidationError, raw: Mapping[str, Any], where: object) -> OptionError:
    """Say the first thing that is wrong."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    if first["type"] == "value_error":
        expected = "each seed once" if name == "seeds" else f"each of {name} once"
    else:
        expected = f"{name} as {_LISTS.get(name) or _KINDS[first['type']]}"
    return OptionError(expected, repr(raw.get(name)), where=where)


def _preset(raw: Mapping[str, Any], where: object) -> dict[str, Any]:
    name = raw.get("preset")
    if name is None:
        return {}
    if not isinstance(name, str):
        raise OptionError("preset as a name", repr(name), where=where)
    if name not in preset_names():
        raise unknown("preset or a study specification in TOML", name, preset_names())
    return _toml(PRESETS / f"{name}.toml")


def _expect_names(spec: Spec) -> None:
    """Refuse now what would end the study hours later."""
    for dataset in spec.datasets:
        if dataset not in datasets():
            raise unknown("data set", dataset, datasets().names())
    for network, dataset in itertools.product(spec.networks, spec.datasets):
        if f"{network}-{dataset}" not in model_names():
            raise unknown("trained model", f"{network}-{dataset}", model_names(), where="models/")
    methods = [NO_SALIENCY, *attributions().names()]
    if spec.saliency.partition(":")[0] not in methods:
        raise unknown("attribution method", spec.saliency, methods)

"""Built-ins and plug-ins enter by the same door; a broken plug-in is named and hurts nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from compress_onnx import extension_points
from compress_onnx.compress.pruning import prune
from compress_onnx.compress.quantization import quantize
from compress_onnx.data import digits
from compress_onnx.errors import PluginError, UnknownNameError
from compress_onnx.metrics.outputs.divergence import jensen_shannon

DOORS = [
    extension_points.datasets,
    extension_points.compressors,
    extension_points.metrics,
    extension_points.attributions,
    extension_points.executors,
]
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a distribution with one plug-in module and its entry points on the path."""

    def build(source: str, *entries: EntryPoint, name: str = "plug") -> None:
        (tmp_path / f"{name}_module.py").write_text(source)
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [f"[{entry.group}]\n{entry.name} = {entry.value}\n" for entry in entries]
        (folder / "entry_points.txt").write_text("".join(lines))
        _forget()

    monkeypatch.syspath_prepend(str(tmp_path))
    yield build
    _forget()


def _forget() -> None:
    for door in DOORS:
        door.cache_clear()


def compressor(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group="compress_onnx.compressors")


def test_the_built_ins_enter_by_entry_points() -> None:
    assert {"digits", "cifar10", "gtsrb"} <= set(extension_points.datasets().names())
    assert extension_points.datasets()["digits"] is digits.load
    assert extension_points.compressors()["prune"] is prune.compress
    assert extension_points.compressors()["quantize"] is quantize.compress
    assert extension_points.metrics()["jensen_shannon"] is jensen_shannon
    assert "gradient" in extension_points.attributions()
    assert {"local", "dask"} <= set(extension_points.executors().names())


@pytest.mark.parametrize(
    ("door", "kind"),
    list(zip(DOORS, ["a data set", "a compressor", "a metric", "an attribution method", "an executor"], strict=True)),
    ids=lambda value: getattr(value, "__name__", None),
)
def test_unknown_names_are_answered_in_the_words_of_the_door(door: Callable[[], dict], kind: str) -> None:
    with pytest.raises(UnknownNameError, match=f"Expected {kind}, got 'nothing'"):
        door()["nothing"]


def test_a_plug_in_is_found_beside_the_built_ins(install: Install) -> None:
    install(
        "def shrink(model, options, calibration): return model, options", compressor("shrink", "plug_module:shrink")
    )
    assert {"prune", "quantize", "shrink"} <= set(extension_points.compressors().names())
    assert extension_points.compressors()["shrink"]("model", {"a": 1}, None) == ("model", {"a": 1})


@pytest.mark.parametrize(
    ("source", "value", "message"),
    [
        ("raise OSError('no license')", "plug1_module:x", r"OSError: no license \(plug1_module:x\)"),
        ("", "plug2_module:missing", "AttributeError: .*missing"),
        ("", "not_installed_anywhere:x", "ModuleNotFoundError: .*not_installed_anywhere"),
    ],
)
def test_a_broken_plug_in_is_named_when_asked_for_and_not_before(
    install: Install, source: str, value: str, message: str
) -> None:
    install(source, compressor("broken", value), name=value.partition("_module")[0])
    assert "broken" in extension_points.compressors().names()
    assert extension_points.compressors()["prune"] is prune.compress
    with pytest.raises(PluginError, match=rf"plug-in 'broken' to load, got {message}.*Repair or uninstall"):
        extension_points.compressors()["broken"]


def test_two_plug_ins_of_one_name_are_refused(install: Install) -> None:
    install("", compressor("prune", "plug_module:prune"))
    with pytest.raises(PluginError, match="one compressor of each name, got 'prune' twice"):
        extension_points.compressors()

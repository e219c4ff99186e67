"""Extras: what is missing is named with the command that needs it and the one that brings it."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import requires

import pytest

from compress_onnx import extras
from compress_onnx.errors import MissingExtraError
from compress_onnx.extras import missing_packages, require_extra


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Modules that cannot be found; the test fills it, and all others are there."""
    names: set[str] = set()
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in names else ModuleSpec(name, loader=None)
    )
    return names


def test_nothing_is_said_where_all_is_there(without: set[str]) -> None:
    require_extra("torch", command="compress-onnx train")


def test_what_is_missing_is_named_with_how_to_get_it(without: set[str]) -> None:
    without.update({"captum", "torch"})
    with pytest.raises(MissingExtraError) as raised:
        require_extra("torch", command="compress-onnx train")
    assert str(raised.value) == (
        "Expected the packages of the extra 'torch', got no torch, captum (compress-onnx train). "
        "Run: pip install 'compress-onnx[torch]'."
    )


def test_looking_imports_nothing(without: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "distributed", raising=False)
    assert missing_packages("cluster") == []
    assert "distributed" not in sys.modules


def test_every_package_of_an_extra_is_looked_for() -> None:
    names = {"scikit-learn": "sklearn"}
    for extra, modules in extras._PROBES.items():
        wanted = [line.partition(">")[0] for line in requires("compress-onnx") or () if f"extra == '{extra}'" in line]
        assert {names.get(name, name) for name in wanted} <= set(modules), extra

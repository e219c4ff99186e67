"""Folders follow the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress_onnx import options


def test_the_data_folder_follows_its_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COMPRESS_ONNX_DATA", str(tmp_path / "d"))
    assert options.data_root() == tmp_path / "d"
    monkeypatch.setenv("COMPRESS_ONNX_DATA", "~/pictures")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert options.data_root() == tmp_path / "pictures"


@pytest.mark.parametrize("unset", ["", None])
def test_without_it_the_data_lie_in_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unset: str | None
) -> None:
    for name in ("COMPRESS_ONNX_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
        if unset is not None:
            monkeypatch.setenv(name, unset)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert options.data_root() == tmp_path / ".cache" / "compress-onnx" / "data"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert options.cache_root() == tmp_path / "x" / "compress-onnx"

"""What tests of workers share: a task that answers with its files, in a cache of its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from compress_onnx import options
from compress_onnx.study.execute.tasks import (
    Done,
    WorkerRequirements,
)
from compress_onnx.study.execute.transfer import Bundle, bundle, packed

ANYWHERE = WorkerRequirements(packages={}, data={})


@dataclasses.dataclass(frozen=True)
class Echo:
    """A task that answers with the contents of its files."""

    name: str = "echo"
    files: Bundle = dataclasses.field(default_factory=lambda: bundle({}, shared=False))
    requirements: WorkerRequirements = ANYWHERE

    @property
    def bundles(self) -> tuple[Bundle, ...]:
        return (self.files,)

    def run(self, scratch: Path) -> Done:
        return Done(worker="w", files=packed(self.files.laid_out(scratch / "files")))


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return options.cache_root()


@pytest.fixture
def echo(tmp_path: Path, own_cache: Path) -> Echo:
    for name in "ab":
        (tmp_path / name).write_text(f"content {name}")
    return Echo(files=bundle({"a": tmp_path / "a", "deep/b": tmp_path / "b"}, shared=False))

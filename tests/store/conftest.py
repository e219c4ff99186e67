"""A made-up run's record, and one whose JSON was edited by hand."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compress_onnx import store
from compress_onnx.records.artifacts import Artifact, DatasetInfo, Environment, Precision, Preprocessing, RecipeStep
from compress_onnx.records.base import SCHEMA_VERSION
from compress_onnx.records.run import RunRecord
from compress_onnx.records.verdict import Outcome, Verdict


def _record(**changes: Any) -> RunRecord:
    step = RecipeStep(name="prune", options={"sparsity": 0.5, "layers": ["a"], "seed": 3, "fold": True}, seconds=0.25)
    artifact = Artifact(
        name="prune:0.5",
        path="prune.onnx",
        sha256="ab" * 32,
        precision=Precision.W8A8,
        sparsity=0.5,
        opset=21,
        file_bytes=100,
        zip_bytes=60,
        weights=20,
        nonzero_weights=10,
        parent_sha256=None,
        recipe=(step,),
        warnings=("slow",),
    )
    environment = Environment(
        python="3.11",
        system="Linux",
        packages={"onnx": "1.20"},
        cpu_model="a CPU",
        cpu_features=("avx2",),
        cpu_saturates=False,
        cpu_target="x86-64-vnni",
        cores=2,
    )
    whole = RunRecord(
        schema_version=SCHEMA_VERSION,
        run_id="2030-01-01-a",
        started_at="2030-01-01T00:00:00Z",
        command=("compare", "ä.onnx"),
        config={"threads": 1, "sparsity": 0.5, "layers": [], "method": None},
        environment=environment,
        dataset=DatasetInfo(name="d", split="test", n=3, class_names=("a", "ü"), sha256="cd" * 32),
        preprocessing=Preprocessing(height=8, width=8, mean=(0.5,), std=(0.5,)),
        calibration=None,
        artifacts=(artifact,),
        comparisons=(),
        verdict=Verdict(outcome=Outcome.PASS, policy_sha256="ef" * 32, checks=()),
    )
    return dataclasses.replace(whole, **changes)


@pytest.fixture
def make_record() -> Callable[..., RunRecord]:
    return _record


@pytest.fixture
def written() -> Callable[[Path, Callable[[dict[str, Any]], None]], Path]:
    def write(folder: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
        content = json.loads(store.as_json(_record()))
        edit(content)
        (folder / "run.json").write_text(json.dumps(content))
        return folder

    return write

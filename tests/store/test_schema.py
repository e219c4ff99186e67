"""What is no record of this version is refused by name and place; the version before is renamed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compress_onnx import store
from compress_onnx.errors import RecordError
from compress_onnx.metrics.compare import compare_outputs
from compress_onnx.metrics.outputs.pair import LogitPair
from compress_onnx.records.artifacts import Footprint, FusionReceipt
from compress_onnx.records.base import SCHEMA_VERSION, Better, Measure
from compress_onnx.records.run import Comparison, RunRecord
from compress_onnx.records.saliency import SaliencyGroup, SaliencyScale, SaliencyShift, TwinFidelity
from compress_onnx.records.study import StudyRecord


def _set_sparsity(value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["artifacts"][0].update(sparsity=value)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (_set_sparsity(float("nan")), "finite number at artifacts.0.sparsity"),
        (_set_sparsity(float("inf")), "finite number at artifacts.0.sparsity"),
        (_set_sparsity("half"), r"valid number.* at artifacts\.0\.sparsity"),
        (lambda content: content["artifacts"][0]["recipe"][0].update(seconds=float("nan")), "finite number"),
        (lambda content: content["config"].update(x=float("nan")), "at config.x"),
        (lambda content: content["config"].update(x=[float("inf")]), "at config.x"),
        (lambda content: content["preprocessing"].update(mean=[float("nan")]), "finite number at preprocessing.mean"),
        (lambda content: content.update(extra=1), "[Uu]nexpected.* at extra"),
        (lambda content: content["dataset"].update(note="x"), r"[Uu]nexpected.* at dataset\.note"),
        (lambda content: content.pop("dataset"), ".* at dataset"),
        (lambda content: content["artifacts"][0].update(precision="fp8"), r"fp32.* at artifacts\.0\.precision"),
        (lambda content: content.update(schema_version=1), f"schema version {SCHEMA_VERSION}, got version 1"),
        (lambda content: content.pop("schema_version"), f"schema version {SCHEMA_VERSION}, got no schema version"),
    ],
)
def test_a_record_that_breaks_the_schema_is_refused(
    tmp_path: Path, edit: Callable[[dict[str, Any]], None], message: str, written: Any
) -> None:
    with pytest.raises(RecordError, match=message) as caught:
        store.load_run(written(tmp_path, edit))
    assert str(tmp_path / "run.json") in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a run record in JSON"),
        (b"{", "a run record in JSON"),
        (b"\xff\xfe\x00", "a run record in JSON"),
        (b"[" * 100_000, "a run record in JSON"),
        (b"[]", "no schema version"),
        (b"null", "no schema version"),
        (b'"text"', "no schema version"),
    ],
)
def test_a_corrupt_record_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RecordError, match=message):
        store.load_run(tmp_path)


def test_a_missing_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"a run's folder or its run\.json, got No such file"):
        store.load_run(tmp_path)
    with pytest.raises(RecordError, match="No such file"):
        store.load_run(tmp_path / "nowhere")


# ------------------------------------------------------------------------------- records of versions before

OLD_NAMES = {
    "quantized_nodes": "quantised_nodes",
    "randomized_ceiling": "randomised_ceiling",
    "center_shift": "centre_shift",
    "center_shift_px": "centre_shift_px",
}


def compared() -> Comparison:
    """A candidate whose record holds every field that had another name."""
    logits = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    pair = LogitPair(labels=None, baseline=logits, candidate=logits[::-1].copy(), class_names=("a", "b", "c"))
    outputs = compare_outputs(pair)
    measure = Measure(value=0.5, unit="px", better=Better.LOWER, n=40)
    group = SaliencyGroup(
        n=40,
        **{field.name: measure for field in dataclasses.fields(SaliencyGroup) if field.name != "n"},
    )
    fidelity = TwinFidelity(n=40, top1_agreement=1.0, max_abs_logit_diff=0.0, accepted=True)
    saliency = SaliencyShift(
        method="gradient",
        target="predicted",
        n=40,
        fidelity_baseline=fidelity,
        fidelity_candidate=fidelity,
        over_all=group,
        over_same=group,
        over_flipped=None,
        noise_floor=0.01,
        randomized_ceiling=0.2,
        scale=SaliencyScale(**{field.name: measure for field in dataclasses.fields(SaliencyScale)}),
    )
    size = Footprint(file_bytes=9, zip_bytes=8, weights=7, nonzero_weights=6)
    return Comparison(
        **{field.name: getattr(outputs, field.name) for field in dataclasses.fields(outputs)},
        baseline_sha256="ab" * 32,
        candidate_sha256="cd" * 32,
        candidate_name="w8a8",
        saliency=saliency,
        latency=None,
        footprint_baseline=size,
        footprint_candidate=size,
        fusion=FusionReceipt(quantized_nodes=3, float_nodes=(), stray_qdq=0, int8_fraction=1.0),
    )


def as_of_version_2(node: Any) -> Any:
    if isinstance(node, dict):
        return {OLD_NAMES.get(key, key): as_of_version_2(value) for key, value in node.items()}
    return [as_of_version_2(item) for item in node] if isinstance(node, list) else node


def in_version(folder: Path, record: RunRecord, version: int) -> Path:
    content = as_of_version_2(json.loads(store.as_json(record))) | {"schema_version": version}
    (folder / "run.json").write_text(json.dumps(content))
    return folder


def test_a_record_of_version_2_is_read_under_the_names_of_today(make_record: Any, tmp_path: Path) -> None:
    record = make_record(comparisons=(compared(),))
    text = (in_version(tmp_path, record, 2) / "run.json").read_text()
    assert [name for name in OLD_NAMES.values() if f'"{name}"' not in text] == []
    assert [name for name in OLD_NAMES if f'"{name}"' in text] == []
    assert store.load_run(tmp_path) == record


@pytest.mark.parametrize("version", [1, SCHEMA_VERSION + 1])
def test_a_record_of_any_other_version_is_refused(make_record: Any, tmp_path: Path, version: int) -> None:
    with pytest.raises(RecordError, match=rf"schema version {SCHEMA_VERSION}, got version {version} .*run\.json"):
        store.load_run(in_version(tmp_path, make_record(comparisons=(compared(),)), version))


def test_todays_version_under_names_of_before_is_refused(make_record: Any, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="a run record, got"):
        store.load_run(in_version(tmp_path, make_record(comparisons=(compared(),)), SCHEMA_VERSION))


def test_a_study_of_version_2_is_read(tmp_path: Path) -> None:
    study = StudyRecord(schema_version=2, started_at="", command=(), packages={}, config={}, cells=())
    store.save_study(study, tmp_path)
    assert store.load_study(tmp_path) == dataclasses.replace(study, schema_version=SCHEMA_VERSION)

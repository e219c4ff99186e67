"""Records and arrays come back from disk as they were, or are refused in one sentence."""

from __future__ import annotations

import dataclasses
import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compress_onnx import store
from compress_onnx.errors import OutputError, RecordError
from compress_onnx.records.artifacts import (
    Artifact,
    DatasetInfo,
    Environment,
    Precision,
    Predictions,
    Preprocessing,
    RecipeStep,
)
from compress_onnx.records.base import SCHEMA_VERSION, Better, Interval, Measure
from compress_onnx.records.latency import LatencyComparison, LatencyRun
from compress_onnx.records.outputs import Histogram
from compress_onnx.records.run import RunRecord
from compress_onnx.records.verdict import Outcome, Verdict

numbers = st.floats(allow_nan=False, allow_infinity=False)
measures = st.builds(
    Measure,
    value=st.none() | numbers,
    unit=st.text(),
    better=st.sampled_from(Better),
    n=st.integers(0),
    interval=st.none() | st.builds(Interval, low=numbers, high=numbers, level=numbers, method=st.text()),
    undefined_reason=st.none() | st.text(),
)
option_values = (
    st.none()
    | st.booleans()
    | st.integers()
    | numbers
    | st.text()
    | st.lists(st.text())
    | st.lists(numbers)
    | st.lists(st.integers())
)
options = st.dictionaries(st.text(), option_values)


def run_record(**changes: Any) -> RunRecord:
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


def written(folder: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """Save a run whose JSON was edited by hand."""
    content = json.loads(store.as_json(run_record()))
    edit(content)
    (folder / "run.json").write_text(json.dumps(content))
    return folder


def test_a_run_survives_the_disk(tmp_path: Path) -> None:
    path = store.save_run(run_record(), tmp_path / "run")
    assert path == tmp_path / "run" / "run.json"
    assert store.load_run(tmp_path / "run") == store.load_run(path) == run_record()


@pytest.mark.parametrize(
    ("kind", "files", "believed"), [("float", None, False), ("float", 2, True), ("int64", None, True)]
)
def test_an_old_record_that_left_data_files_out_is_not_believed(
    kind: str, files: int | None, *, believed: bool, tmp_path: Path
) -> None:
    """The graph's hash was its models' name then: two networks could have one. Small int64 values are stored smaller."""

    def edit(content: dict[str, Any]) -> None:
        content["artifacts"][0] |= {"file_bytes": 100, "initializer_bytes": {kind: 101}, "files": files}

    folder = written(tmp_path, edit)
    if believed:
        assert store.load_run(folder).artifacts[0].initializer_bytes == {kind: 101}
        return
    with pytest.raises(
        RecordError, match=r"100 bytes of 'prune:0\.5', whose weights alone are 101 .*Make the run again"
    ):
        store.load_run(folder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(config=options, mean=st.lists(numbers, min_size=1).map(tuple), names=st.lists(st.text()).map(tuple))
def test_any_values_survive_the_disk(
    tmp_path: Path, config: dict[str, Any], mean: tuple[float, ...], names: tuple[str, ...]
) -> None:
    record = run_record(
        config=config,
        preprocessing=Preprocessing(height=1, width=1, mean=mean, std=mean),
        dataset=DatasetInfo(name="d", split="test", n=1, class_names=names, sha256=""),
    )
    store.save_run(record, tmp_path)
    assert store.load_run(tmp_path) == record


@given(measures)
def test_a_measure_is_json_with_every_field(measure: Measure) -> None:
    assert json.loads(store.as_json(measure)) == dataclasses.asdict(measure)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_nan_is_never_written(tmp_path: Path, bad: float) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        store.save_run(run_record(config={"x": bad}), tmp_path)
    with pytest.raises(ValueError, match="Out of range float"):
        store.as_json(Histogram(edges=(0.0, bad), counts=(1,)))
    assert not list(tmp_path.iterdir())


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
    tmp_path: Path, edit: Callable[[dict[str, Any]], None], message: str
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


def test_a_run_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        store.save_run(run_record(), tmp_path / "file")


def latency(milliseconds: float) -> LatencyComparison:
    measure = Measure(value=milliseconds, unit="ms", better=Better.LOWER, n=1)
    run = LatencyRun(
        values_ms=(milliseconds,), warmup_ms=(), load_ms=milliseconds, p50_ms=measure, p90_ms=measure, p99_ms=measure
    )
    return LatencyComparison(
        threads=1, batch=1, rounds=1, baseline=run, candidate=run, speedup=measure, warnings=("noisy",)
    )


def test_without_times_two_runs_of_one_command_are_equal() -> None:
    artifact = run_record().artifacts[0]
    slower = dataclasses.replace(artifact, recipe=(dataclasses.replace(artifact.recipe[0], seconds=99.0),))
    other = run_record(run_id="b", started_at="2031-01-01T00:00:00Z", artifacts=(slower,))
    assert other != run_record()
    assert store.without_times(other) == store.without_times(run_record())


def test_without_times_every_other_difference_remains() -> None:
    for changes in ({"command": ("bench",)}, {"config": {"threads": 2}}, {"verdict": None}, {"artifacts": ()}):
        assert store.without_times(run_record(**changes)) != store.without_times(run_record())


def test_without_times_drops_whole_latencies_and_nothing_of_the_argument() -> None:
    @dataclasses.dataclass
    class Holder:
        latency: LatencyComparison
        kept: int

    holder = Holder(latency(1.0), 3)
    assert store.without_times(holder) == {"kept": 3}  # type: ignore[arg-type]  # as much of a record as matters
    assert holder.latency == latency(1.0)


def predictions(*, labeled: bool = True) -> Predictions:
    return Predictions(
        sample_ids=np.array(["a", "ü", "c"]),
        labels=np.array([0, 1, 1]) if labeled else None,
        logits=np.arange(6, dtype=np.float32).reshape(3, 2) / 7,
        artifact_sha256="ab" * 32,
        dataset_sha256="cd" * 32,
        cpu="a CPU",
    )


@pytest.mark.parametrize("labeled", [True, False])
def test_predictions_survive_the_disk(tmp_path: Path, *, labeled: bool) -> None:
    before = predictions(labeled=labeled)
    store.save_predictions(before, tmp_path / "predictions" / "x.npz")
    after = store.load_predictions(tmp_path / "predictions" / "x.npz")
    assert after.sample_ids.tolist() == before.sample_ids.tolist()
    assert (after.labels is None) == (not labeled)
    assert after.labels is None or after.labels.tolist() == [0, 1, 1]
    assert after.logits.dtype == np.float32
    np.testing.assert_array_equal(after.logits, before.logits)
    assert (after.artifact_sha256, after.dataset_sha256, after.cpu) == ("ab" * 32, "cd" * 32, "a CPU")


def npz(**changes: Any) -> bytes:
    arrays: dict[str, Any] = {
        "sample_ids": np.array(["a", "b"]),
        "labels": np.array([0, 1]),
        "logits": np.zeros((2, 3), np.float32),
        "artifact_sha256": "a",
        "dataset_sha256": "b",
        "cpu": "c",
    }
    stream = io.BytesIO()
    np.savez(stream, **{name: value for name, value in (arrays | changes).items() if value is not None})
    return stream.getvalue()


def _npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


def _zip_of_text() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in ("sample_ids", "labels", "logits", "artifact_sha256", "dataset_sha256", "cpu"):
            archive.writestr(name, "text")
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        _npy(),
        _zip_of_text(),
        npz()[:-50],
        npz(logits=None),
        npz(sample_ids=np.array(["a", None], dtype=object)),
        npz(labels=np.array([0, 1, 2])),
        npz(labels=np.array([0.0, 1.0])),
        npz(logits=np.zeros((3, 3), np.float32)),
        npz(logits=np.zeros(2, np.float32)),
        npz(logits=np.zeros((2, 3))),
        npz(sample_ids=np.array([1, 2])),
    ],
)
def test_what_are_no_predictions_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(RecordError, match=r"predictions in \.npz, got .+x\.npz\)\. Make the run again"):
        store.load_predictions(tmp_path / "x.npz")


def test_missing_predictions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="No such file"):
        store.load_predictions(tmp_path / "x.npz")


def test_flipped_bytes_in_predictions_cause_nothing_but_a_record_error(tmp_path: Path) -> None:
    path, draw, refused = tmp_path / "x.npz", random.Random(0), 0  # noqa: S311  # no secret
    store.save_predictions(predictions(), path)
    whole = path.read_bytes()
    for _ in range(300):
        content = bytearray(whole)
        content[draw.randrange(len(whole))] = draw.randrange(256)
        path.write_bytes(content)
        try:
            np.testing.assert_array_equal(store.load_predictions(path).logits, predictions().logits)
        except RecordError:
            refused += 1
    assert refused > 100


def test_samples_survive_the_disk(tmp_path: Path) -> None:
    columns = {"id": np.array(["a", "b"]), "label": np.array([1, 2]), "margin": np.array([0.5, 0.25], np.float32)}
    with store.samples_written(tmp_path) as write:
        write(columns)
        write(columns)
        assert store.load_samples(tmp_path) is None
    found = store.load_samples(tmp_path)
    assert found is not None
    assert {name: values.tolist() for name, values in found.items()} == {
        name: [*values.tolist(), *values.tolist()] for name, values in columns.items()
    }


def test_half_a_table_is_none(tmp_path: Path) -> None:
    def break_off() -> None:
        with store.samples_written(tmp_path) as write:
            write({"id": np.array(["a"])})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert list(tmp_path.iterdir()) == []


def _save_pictures(folder: Path, *parts: dict[tuple[str, str], bytes]) -> None:
    with store.pictures_written(folder) as write:
        for part in parts:
            write(part)


def test_pictures_survive_the_disk(tmp_path: Path) -> None:
    pictures = {("b", ""): b"\x89PNG", ("a", "prune:0.5"): b"\0\xff", ("a", ""): b""}
    _save_pictures(tmp_path, pictures)
    assert store.load_pictures(tmp_path) == pictures


def test_a_picture_shown_for_two_candidates_is_kept_once(tmp_path: Path) -> None:
    _save_pictures(tmp_path, {("a", ""): b"1", ("a", "x"): b"2"}, {("a", ""): b"1", ("a", "y"): b"3"})
    assert store.load_pictures(tmp_path) == {("a", ""): b"1", ("a", "x"): b"2", ("a", "y"): b"3"}
    assert pq.read_table(tmp_path / store.PICTURES_FILE).num_rows == 3


def test_no_picture_is_a_table_too(tmp_path: Path) -> None:
    _save_pictures(tmp_path)
    assert (tmp_path / store.PICTURES_FILE).exists()
    assert store.load_pictures(tmp_path) == {}


def test_equal_tables_give_equal_bytes_in_any_order(tmp_path: Path) -> None:
    pictures = {("b", ""): b"1", ("a", ""): b"2"}
    _save_pictures(tmp_path / "x", pictures)
    _save_pictures(tmp_path / "y", dict(reversed(pictures.items())))
    assert (tmp_path / "x" / store.PICTURES_FILE).read_bytes() == (tmp_path / "y" / store.PICTURES_FILE).read_bytes()


def test_absent_tables_are_empty(tmp_path: Path) -> None:
    assert store.load_samples(tmp_path) is None
    assert store.load_pictures(tmp_path) == {}


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 no table PAR1"])
def test_corrupt_tables_are_refused(tmp_path: Path, content: bytes) -> None:
    for name, load in ((store.SAMPLES_FILE, store.load_samples), (store.PICTURES_FILE, store.load_pictures)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(RecordError, match="a Parquet table of this tool"):
            load(tmp_path)


def test_pictures_of_other_columns_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), tmp_path / store.PICTURES_FILE)
    with pytest.raises(RecordError, match="columns sample_id, artifact and png, got x"):
        store.load_pictures(tmp_path)

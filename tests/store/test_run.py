"""Records come back from disk as they were, or are refused in one sentence."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compress_onnx import store
from compress_onnx.errors import OutputError, RecordError
from compress_onnx.records.artifacts import DatasetInfo, Preprocessing
from compress_onnx.records.base import Better, Interval, Measure
from compress_onnx.records.latency import LatencyComparison, LatencyRun
from compress_onnx.records.outputs import Histogram

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


def test_a_run_survives_the_disk(tmp_path: Path, make_record: Any) -> None:
    path = store.save_run(make_record(), tmp_path / "run")
    assert path == tmp_path / "run" / "run.json"
    assert store.load_run(tmp_path / "run") == store.load_run(path) == make_record()


@pytest.mark.parametrize(
    ("kind", "files", "believed"), [("float", None, False), ("float", 2, True), ("int64", None, True)]
)
def test_an_old_record_that_left_data_files_out_is_not_believed(
    kind: str, files: int | None, written: Any, *, believed: bool, tmp_path: Path
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
    tmp_path: Path, config: dict[str, Any], mean: tuple[float, ...], names: tuple[str, ...], make_record: Any
) -> None:
    record = make_record(
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
def test_nan_is_never_written(tmp_path: Path, bad: float, make_record: Any) -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        store.save_run(make_record(config={"x": bad}), tmp_path)
    with pytest.raises(ValueError, match="Out of range float"):
        store.as_json(Histogram(edges=(0.0, bad), counts=(1,)))
    assert not list(tmp_path.iterdir())


def test_a_run_that_cannot_be_written_is_an_output_error(tmp_path: Path, make_record: Any) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        store.save_run(make_record(), tmp_path / "file")


def latency(milliseconds: float) -> LatencyComparison:
    measure = Measure(value=milliseconds, unit="ms", better=Better.LOWER, n=1)
    run = LatencyRun(
        values_ms=(milliseconds,), warmup_ms=(), load_ms=milliseconds, p50_ms=measure, p90_ms=measure, p99_ms=measure
    )
    return LatencyComparison(
        threads=1, batch=1, rounds=1, baseline=run, candidate=run, speedup=measure, warnings=("noisy",)
    )


def test_without_times_two_runs_of_one_command_are_equal(make_record: Any) -> None:
    artifact = make_record().artifacts[0]
    slower = dataclasses.replace(artifact, recipe=(dataclasses.replace(artifact.recipe[0], seconds=99.0),))
    other = make_record(run_id="b", started_at="2031-01-01T00:00:00Z", artifacts=(slower,))
    assert other != make_record()
    assert store.without_times(other) == store.without_times(make_record())


def test_without_times_every_other_difference_remains(make_record: Any) -> None:
    for changes in ({"command": ("bench",)}, {"config": {"threads": 2}}, {"verdict": None}, {"artifacts": ()}):
        assert store.without_times(make_record(**changes)) != store.without_times(make_record())


def test_without_times_drops_whole_latencies_and_nothing_of_the_argument() -> None:
    @dataclasses.dataclass
    class Holder:
        latency: LatencyComparison
        kept: int

    holder = Holder(latency(1.0), 3)
    assert store.without_times(holder) == {"kept": 3}  # type: ignore[arg-type]  # as much of a record as matters
    assert holder.latency == latency(1.0)

"""Whole cells on trained networks: one twice, and real traffic signs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from compress_onnx import options
from compress_onnx.cli.app import run
from compress_onnx.comparison.options import CompareOptions
from compress_onnx.errors import OptionError
from compress_onnx.files import sha256_of_file
from compress_onnx.records.run import RunRecord
from compress_onnx.runtime.bench.latency import LatencyPlan
from compress_onnx.store.run import load_run, without_times
from compress_onnx.study.cells.cell import CellRun, StudyCell, run_cell

QUICK = CompareOptions(saliency="gradient", saliency_samples=60, latency=LatencyPlan(rounds=2, calls=5))


@pytest.fixture
def one_thread() -> Iterator[None]:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("recipes", [(), ("w8a8", "w8a8"), ("prune:0.5", "prune: 0.5")])
def test_a_cell_has_recipes_each_once(recipes: tuple[str, ...]) -> None:
    with pytest.raises(OptionError, match="at least one recipe, each recipe once"):
        StudyCell(model="lenet5-digits", dataset="digits", recipes=recipes, options=QUICK)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_the_same_cell_twice_gives_the_same_record_but_for_time(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    cell = StudyCell(
        model="lenet5-digits", dataset="digits", recipes=("prune:0.5", "w8a8", "prune:0.5+w8a8"), options=QUICK
    )

    def once(day: int) -> RunRecord:
        started = datetime(2026, 1, day, tzinfo=UTC)
        return run_cell(cell, CellRun(folder=tmp_path / "run", command=("compress-onnx", "demo"), started_at=started))

    first = once(1)
    files = {path: sha256_of_file(path) for path in (tmp_path / "run").rglob("*.*") if path.name != "run.json"}
    second = once(2)
    assert without_times(first) == without_times(second)
    assert {path: sha256_of_file(path) for path in files} == files
    assert load_run(tmp_path / "run") == second
    assert [artifact.path for artifact in second.artifacts] == [
        f"artifacts/{name}.onnx" for name in (second.artifacts[0].name, "prune0.5", "w8a8", "prune0.5+w8a8")
    ]
    assert [artifact.parent_sha256 for artifact in second.artifacts[1:3]] == [second.artifacts[0].sha256] * 2
    assert second.artifacts[3].parent_sha256 == second.artifacts[1].sha256
    assert second.calibration is not None
    assert all(comparison.saliency is not None for comparison in second.comparisons)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_quantized_lenet5_still_reads_traffic_signs(tmp_path: Path) -> None:
    """The first 2,000 test pictures: the twin is exact and few answers change."""
    if not (options.data_root() / "gtsrb" / "test.parquet").is_file():
        pytest.skip("GTSRB is not under $COMPRESS_ONNX_DATA; fetching it takes minutes")
    import pyarrow.parquet as pq

    table = pq.read_table(options.data_root() / "gtsrb" / "test.parquet").slice(0, 2000)
    pq.write_table(table, tmp_path / "signs.parquet")
    base, small = tmp_path / "base.onnx", tmp_path / "w8a8.onnx"
    assert run(["export", "lenet5-gtsrb", "-o", str(base)]) == 0
    assert run(["quantize", str(base), "--data", "gtsrb:train", "-o", str(small)]) == 0
    words = ["--data", str(tmp_path / "signs.parquet"), "--saliency-samples", "100", "--no-latency"]
    assert run(["compare", str(base), str(small), *words, "--out", str(tmp_path / "run")]) == 0
    record = load_run(tmp_path / "run")
    (found,) = record.comparisons
    assert found.flips.n == 2000
    assert found.flips.rate.value is not None
    assert 0 < found.flips.rate.value < 0.05
    assert found.accuracy.baseline.value is not None
    assert found.accuracy.baseline.value > 0.9
    assert found.saliency is not None
    for fidelity in (found.saliency.fidelity_baseline, found.saliency.fidelity_candidate):
        assert fidelity.accepted
        assert fidelity.top1_agreement == 1.0
    assert record.calibration is not None
    assert record.calibration.n == 512

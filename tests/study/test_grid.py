"""Grids: what a specification may say, and what is run again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from compress_onnx.errors import CompressOnnxError, MachineError, RecordError
from compress_onnx.study import grid
from compress_onnx.study.cell import Cell
from compress_onnx.study.compare import Job, compare_models
from compress_onnx.study.contestants import named_entries
from compress_onnx.study.grid import Finished, cell_name, cells_of, load_spec, run_grid
from compress_onnx.study.options import CompareOptions

SPEC = {"networks": ["lenet5"], "datasets": ["digits"], "recipes": ["prune:0.5"]}


def test_cells_are_networks_times_data_sets_times_seeds() -> None:
    cells = cells_of({**SPEC, "datasets": ["digits", "gtsrb"], "seeds": [3, 4], "latency": False})
    assert [cell_name(cell) for cell in cells] == [
        "lenet5-digits-seed3",
        "lenet5-digits-seed4",
        "lenet5-gtsrb-seed3",
        "lenet5-gtsrb-seed4",
    ]
    assert {cell.options.latency for cell in cells} == {None}
    assert {cell.recipes for cell in cells} == {("prune:0.5",)}


def test_what_is_left_out_has_defaults() -> None:
    (cell,) = cells_of(SPEC)
    assert (cell.options.seed, cell.options.saliency, cell.calibration_size) == (0, "gradient", 512)
    assert cell.options.latency is not None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"network": ["lenet5"]}, "a field of a study, got 'network'.*Did you mean networks"),
        ({"networks": None}, "networks as a list of names, got None"),
        ({"networks": "lenet5"}, "networks as a list of names"),
        ({"recipes": []}, "recipes as a list of names"),
        ({"datasets": [1]}, "datasets as a list of names"),
        ({"recipes": ["w8a8", "w8a8"]}, "each of recipes once"),
        ({"recipes": ["w8a8", "w8a8 "]}, "each recipe once"),
        ({"recipes": ["w8a9"]}, "Did you mean w8a8"),
        ({"recipes": ["prune:2"]}, "below 1.0, got 2.0"),
        ({"networks": ["lenet6"]}, "a trained model, got 'lenet6-digits'"),
        ({"datasets": ["digit"]}, "a data set, got 'digit'.*Did you mean digits"),
        ({"seeds": []}, "seeds as a list of whole numbers"),
        ({"seeds": [0.5]}, "seeds as a list of whole numbers"),
        ({"seeds": [True]}, "seeds as a list of whole numbers"),
        ({"seeds": [1, 1]}, "each seed once"),
        ({"seeds": [-1]}, "seed at least 0, got -1"),
        ({"saliency": "gradiant"}, "Did you mean gradient"),
        ({"saliency": 1}, "saliency as a name, got 1"),
        ({"saliency_samples": "many"}, "saliency_samples as a whole number"),
        ({"saliency_samples": 0}, "saliency-samples at least 1"),
        ({"calibration_size": 1.5}, "calibration_size as a whole number"),
        ({"calibration_size": 0}, "calibration-size at least 1"),
        ({"latency": "no"}, "latency as true or false"),
    ],
)
def test_a_specification_is_checked_before_anything_runs(change: dict[str, Any], says: str) -> None:
    with pytest.raises(CompressOnnxError, match=says):
        cells_of({**SPEC, **change})


@pytest.mark.parametrize("content", [b"networks = [", b"\xff\xfe"])
def test_a_file_that_is_no_specification_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_bytes(content)
    with pytest.raises(CompressOnnxError, match=r"a study specification in TOML, got .*study\.toml"):
        load_spec(path)


def test_a_file_is_read_like_plain_data(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text('networks = ["lenet5"]\ndatasets = ["digits"]\nrecipes = ["prune:0.5"]\n')
    assert load_spec(path) == cells_of(SPEC)


@pytest.fixture
def asked(make_model: Any, make_images: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put a small comparison in the place of a cell's long one; the list fills with what is run."""
    entries, images, run = named_entries([make_model("base"), make_model("other", noise=0.5)]), make_images(), []

    def run_cell(cell: Cell, folder: Path, *, command: Any, started_at: datetime, stages: Any) -> Any:
        run.append(cell_name(cell))
        options = CompareOptions(seed=cell.options.seed)
        job = Job(
            entries=entries, images=images, options=options, folder=folder, command=command, started_at=started_at
        )
        return compare_models(job, stages=stages)

    monkeypatch.setattr(grid, "run_cell", run_cell)
    return run


@pytest.fixture
def study(asked: list[str], tmp_path: Path, started: datetime) -> Callable[..., list[Finished]]:
    def run(**changes: Any) -> list[Finished]:
        asked.clear()
        cells = cells_of({**SPEC, "seeds": [0, 1], **changes})
        return list(run_grid(cells, tmp_path / "out", command=("a", "b"), now=lambda: started))

    return run


def test_each_cell_gets_a_folder_with_record_and_report(study: Any, asked: list[str], tmp_path: Path) -> None:
    finished = study()
    assert [cell.name for cell in finished] == asked == ["lenet5-digits-seed0", "lenet5-digits-seed1"]
    for cell in finished:
        assert cell.folder == tmp_path / "out" / cell.name
        assert {"run.json", "report.html", "samples.parquet"} <= {path.name for path in cell.folder.iterdir()}
    assert [cell.record.config["seed"] for cell in finished] == [0, 1]


def test_a_finished_cell_is_not_run_again(study: Any, asked: list[str]) -> None:
    first = study()
    again = study()
    assert asked == []
    assert [dataclasses.asdict(cell.record) for cell in again] == [dataclasses.asdict(cell.record) for cell in first]


@pytest.mark.parametrize("change", [{"recipes": ["w8a8"]}, {"saliency": "none"}, {"calibration_size": 9}], ids=str)
def test_a_changed_specification_runs_again(change: dict[str, Any], study: Any, asked: list[str]) -> None:
    study()
    study(**change)
    assert len(asked) == 2


def test_only_new_seeds_are_run(study: Any, asked: list[str]) -> None:
    study()
    study(seeds=[1, 2])
    assert asked == ["lenet5-digits-seed2"]


def test_an_interrupted_cell_is_run_again(study: Any, asked: list[str], tmp_path: Path) -> None:
    study()
    (tmp_path / "out" / "lenet5-digits-seed1" / grid.CELL_FILE).unlink()
    (tmp_path / "out" / "lenet5-digits-seed0" / "run.json").unlink()
    study()
    assert asked == ["lenet5-digits-seed0", "lenet5-digits-seed1"]


def test_a_broken_record_is_not_passed_over(study: Any, tmp_path: Path) -> None:
    study()
    (tmp_path / "out" / "lenet5-digits-seed0" / "run.json").write_text("{}")
    with pytest.raises(RecordError, match="schema version"):
        study()


def test_a_study_goes_on_only_on_the_machine_that_timed_its_cells(study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    study()
    other = dataclasses.replace(grid.environment(), cpu_model="another CPU")
    monkeypatch.setattr(grid, "environment", lambda: other)
    with pytest.raises(MachineError, match=r"Expected latencies of one machine, got CPU another CPU and .*seed0\)"):
        study()
    assert len(study(latency=False)) == 2  # where nothing is timed, nothing is mixed

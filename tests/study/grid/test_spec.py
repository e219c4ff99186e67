"""Specifications: what a study may ask for, and what is said of anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compress_onnx.errors import CompressOnnxError
from compress_onnx.study.grid import spec as spec_module
from compress_onnx.study.grid.cell_folders import cell_name
from compress_onnx.study.grid.spec import Spec, load_spec, preset_names, spec_of

SPEC = {"networks": ["lenet5"], "datasets": ["digits"], "recipes": ["prune:0.5"]}


def test_cells_are_networks_times_data_sets_times_seeds() -> None:
    cells = spec_of({**SPEC, "datasets": ["digits", "gtsrb"], "seeds": [3, 4], "latency": False}).cells()
    assert [cell_name(cell) for cell in cells] == [
        "lenet5-digits-seed3",
        "lenet5-digits-seed4",
        "lenet5-gtsrb-seed3",
        "lenet5-gtsrb-seed4",
    ]
    assert {cell.options.latency for cell in cells} == {None}
    assert {cell.recipes for cell in cells} == {("prune:0.5",)}


def test_what_is_left_out_has_defaults() -> None:
    (cell,) = spec_of(SPEC).cells()
    assert (cell.options.seed, cell.options.saliency, cell.calibration_size) == (0, "gradient", 512)
    assert cell.options.latency is not None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"network": ["lenet5"]}, "a field of a study, got 'network'.*Did you mean networks"),
        ({"networks": None}, "networks as a list of names, at least one, got None"),
        ({"networks": "lenet5"}, "networks as a list of names"),
        ({"recipes": []}, "recipes as a list of names"),
        ({"datasets": [1]}, "datasets as a list of names"),
        ({"recipes": ["w8a8", "w8a8"]}, "each of recipes once"),
        ({"recipes": ["w8a8", "w8a8 "]}, "each recipe once"),
        ({"recipes": ["w8a9"]}, "Did you mean w8a8"),
        ({"recipes": ["serch:0.01"]}, "Did you mean search:D"),
        ({"recipes": ["prun:0.5+w8a8"]}, "Did you mean prune:S"),
        ({"recipes": ["search"]}, r"a number at least 0\.0 and below 1\.0 in a recipe step, as in search:0\.01"),
        ({"recipes": ["w8a8:3"]}, "w8a8 without a number, got 'w8a8:3'"),
        ({"recipes": ["prune:2"]}, r"below 1\.0 in a recipe step, as in prune:0\.5, got 'prune:2'"),
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
        ({"latency": 1}, "latency as true or false, got 1"),
        ({"networks": {"lenet5": 1}}, "networks as a list of names"),
        ({"seeds": 1}, "seeds as a list of whole numbers"),
        ({"method": None}, "method as a name, got None"),
    ],
)
def test_a_specification_is_checked_before_anything_runs(change: dict[str, Any], says: str) -> None:
    with pytest.raises(CompressOnnxError, match=says):
        spec_of({**SPEC, **change})


@pytest.mark.parametrize("content", [b"networks = [", b"\xff\xfe"])
def test_a_file_that_is_no_specification_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_bytes(content)
    with pytest.raises(CompressOnnxError, match=r"a study specification in TOML, got .*study\.toml"):
        load_spec(path)


def test_a_file_is_read_like_plain_data(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text('networks = ["lenet5"]\ndatasets = ["digits"]\nrecipes = ["prune:0.5"]\n')
    assert load_spec(path) == spec_of(SPEC)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"preset": "papr"}, "a preset or a study specification in TOML, got 'papr'. Did you mean paper"),
        ({"preset": 1}, "preset as a name, got 1"),
        ({"method": "entropi"}, "Did you mean entropy"),
        ({"cpu": "x86-vnni"}, "Did you mean x86-64-vnni"),
    ],
)
def test_presets_and_options_are_known(change: dict[str, Any], says: str) -> None:
    with pytest.raises(CompressOnnxError, match=says):
        spec_of({**SPEC, **change})


@pytest.fixture
def all_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{network}-{data}" for network in ("lenet5", "squeezenet", "resnet18") for data in ("cifar10", "gtsrb")]
    monkeypatch.setattr(spec_module, "model_names", lambda: names)
    # The preset asks for saliency, whose methods load with PyTorch only: their names are enough here.
    monkeypatch.setattr(spec_module, "attribution", lambda name: name)


@pytest.mark.usefixtures("all_trained")
def test_the_paper_is_six_networks_plain_and_improved() -> None:
    assert preset_names() == ["paper"]
    paper = load_spec(Path("paper"))
    assert len(paper.cells()) == 6
    assert paper.saliency_samples >= 2000
    assert paper.latency
    for limit in ("0.3", "0.5", "0.7"):
        assert {f"prune-folded:{limit}", f"prune:{limit}+repair"} <= set(paper.recipes)
    for plain, improved in (
        ("search-folded:0.01", "search:0.01"),
        ("w4a8-plain", "w4a8"),
        ("search-folded:0.01+w8a8", "search:0.01+w8a8"),
        ("search-folded:0.01+w4a8-plain", "search:0.01+w4a8"),
    ):
        assert {plain, improved, "w8a8"} <= set(paper.recipes)


@pytest.mark.usefixtures("all_trained")
def test_what_a_specification_says_goes_before_its_preset_and_what_a_command_says_before_both(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('preset = "paper"\nnetworks = ["lenet5"]\nseeds = [3]\n')
    mine = load_spec(path, {"seeds": [4, 5]})
    paper = load_spec(Path("paper"))
    assert (mine.networks, mine.seeds) == (("lenet5",), (4, 5))
    assert (mine.datasets, mine.recipes) == (paper.datasets, paper.recipes)


def test_a_record_keeps_the_whole_specification() -> None:
    spec = spec_of({**SPEC, "seeds": [2], "latency": False})
    recorded = spec.recorded()
    assert recorded["seeds"] == [2]
    assert recorded["recipes"] == ["prune:0.5"]
    assert Spec(**{name: tuple(v) if isinstance(v, list) else v for name, v in recorded.items()}) == spec


def test_the_target_cpu_is_that_of_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compress_onnx.study.cells.cell.cpu_target", lambda: "aarch64")
    (cell,) = spec_of(SPEC).cells()
    assert cell.cpu == "aarch64"

"""``study`` as a user asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from compress_onnx import study  # noqa: E402  # after the skips
from compress_onnx.errors import OptionError  # noqa: E402
from compress_onnx.store.run import load_study  # noqa: E402

SPEC = """\
networks = ["lenet5"]
datasets = ["digits"]
recipes = ["prune:0.5"]
seeds = [0]
saliency_samples = 20
latency = false
"""


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "grid.toml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return Path("grid.toml")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Specification, folder and setup of a study that is refused before it begins."""
    calls: list[Any] = []

    def refuse(*words: Any) -> None:
        calls.append(words)
        raise OptionError("a study that runs", "a test")

    monkeypatch.setattr(study, "run_study", refuse, raising=False)
    return calls


def test_flags_stand_in_for_the_specification_and_in_the_record_s_command(cli: Any, grid: Path, asked: Any) -> None:
    answer = cli("study", grid, "--seed", "4", "--seed", "5", "--saliency-samples", "7", "--latency", "--workers", "2")
    assert answer.code == 2, answer.err
    ((spec, folder, setup),) = asked
    assert (tuple(spec.seeds), spec.saliency_samples, spec.latency) == ((4, 5), 7, True)
    assert tuple(spec.networks) == ("lenet5",)
    assert folder == Path("reports/grid")
    # Where and by how many it was run is no part of what was asked for.
    words = "compress-onnx study grid.toml --seed 4 --seed 5 --saliency-samples 7 --latency"
    assert setup.command == tuple(words.split())


def test_an_interrupted_study_says_how_it_goes_on(cli: Any, grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "run_study", interrupted, raising=False)
    answer = cli("study", grid, "--out", "a folder")
    assert answer.code == 130
    assert "Finished cells are kept. Go on with: compress-onnx study grid.toml --out 'a folder'" in answer.err


@pytest.mark.slow
def test_a_study_shows_its_cells_and_writes_page_and_record(cli: Any, grid: Path, tmp_path: Path) -> None:
    answer = cli("study", grid, "--workers", "1", "--out", tmp_path / "out")
    assert answer.code == 0, answer.err
    record = load_study(tmp_path / "out")
    (cell,) = record.cells
    (candidate,) = cell.candidates
    assert cell.name in answer.out
    assert f"{100 * candidate.flips.value:.2f} %" in answer.out
    assert "prune:0.5" in answer.out
    (page,) = (tmp_path / "out").glob("*.html")
    assert str(page) in answer.err
    again = cli("study", grid, "--workers", "1", "--out", tmp_path / "out", "--json")
    assert again.json["cells"][0]["name"] == cell.name

"""Models with their weights in data files, by every command that reads one; and what is wrong with such files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from compress_onnx.files import sha256_of_file
from compress_onnx.model.identity import model_identity
from compress_onnx.store.run import load_run

QUICK = ("--rounds", "2", "--calls", "2")


@pytest.fixture
def outside(shelf: Any, scattered: Any, tmp_path: Path) -> Path:
    """The shelf's base model with its weights in two data files, one of them in a folder."""
    path = tmp_path / "given" / "model.onnx"
    scattered(onnx.load(shelf.base), path, place=lambda number: ("model.onnx.data", "more/w")[number % 2])
    return path


def _commands(model: Path, shelf: Any, out: Path) -> dict[str, tuple[object, ...]]:
    compared = (shelf.other, model, "--data", shelf.data, "--saliency", "none", "--no-latency", "--out", out / "run")
    policy = out / "policy.toml"
    policy.write_text('[[rule]]\nmetric = "flips.rate"\nat_most = 1.0\n')
    return {
        "inspect": ("inspect", model, "--json"),
        "compare": ("compare", *compared),
        "check": ("check", *compared, "--policy", policy),
        "bench": ("bench", shelf.other, model, "--out", out / "bench", *QUICK),
        "prune": ("prune", model, "-o", out / "p.onnx"),
        "prune and repair": ("prune", model, "--data", shelf.train, "--repair-size", "30", "-o", out / "r.onnx"),
        "quantize": ("quantize", model, "--data", shelf.train, "--calibration-size", "8", "-o", out / "q.onnx"),
    }


@pytest.mark.parametrize(
    "command",
    ["inspect", "prune", *(pytest.param(name, marks=pytest.mark.slow) for name in ("compare", "check", "bench"))],
)
def test_a_model_in_several_files_is_taken(command: str, cli: Any, shelf: Any, outside: Path, tmp_path: Path) -> None:
    answer = cli(*_commands(outside, shelf, tmp_path)[command])
    assert answer.code == 0, answer.err


def test_sizes_count_every_file_that_is_shipped(cli: Any, outside: Path) -> None:
    found = cli("inspect", outside, "--json").json
    files = [outside, outside.parent / "model.onnx.data", outside.parent / "more" / "w"]
    assert sorted(found["files"]) == sorted(map(str, files))
    assert found["artifact"]["file_bytes"] == sum(file.stat().st_size for file in files)
    # Noise hardly shrinks: the data cannot have been left out.
    assert found["artifact"]["zip_bytes"] > 0.8 * sum(file.stat().st_size for file in files[1:])
    assert found["artifact"]["zstd_bytes"] > 0.8 * sum(file.stat().st_size for file in files[1:])
    assert found["artifact"]["sha256"] == model_identity(outside) != sha256_of_file(outside)
    assert "in 3 files, which belong together" in cli("inspect", outside).out


@pytest.mark.parametrize("command", ["prune", pytest.param("prune and repair", marks=pytest.mark.slow), "quantize"])
def test_what_is_made_is_one_file_and_names_the_file_it_was_made_from(
    command: str, cli: Any, shelf: Any, outside: Path, tmp_path: Path
) -> None:
    words = _commands(outside, shelf, tmp_path)[command]
    normalized = ("--json",)
    found = cli(*words, *normalized).json
    made = Path(str(words[-1]))
    assert found["parent_sha256"] == model_identity(outside)
    assert found["sha256"] == sha256_of_file(made)
    assert not list(made.parent.glob("*.data"))
    made.rename(tmp_path / "alone.onnx")
    onnx.checker.check_model(onnx.load(tmp_path / "alone.onnx"))


def test_a_foreign_serialization_is_a_parent_by_its_own_bytes(cli: Any, shelf: Any, tmp_path: Path) -> None:
    """Fields in another order make another file of an equal model."""
    model = onnx.load(shelf.base)
    imports, model.producer_name = onnx.ModelProto(opset_import=model.opset_import), "foreign"
    del model.opset_import[:]
    (tmp_path / "foreign.onnx").write_bytes(imports.SerializeToString() + model.SerializeToString())
    found = cli("prune", tmp_path / "foreign.onnx", "-o", tmp_path / "p.onnx", "--json").json
    assert found["parent_sha256"] == sha256_of_file(tmp_path / "foreign.onnx")


@pytest.mark.slow
def test_the_report_finds_the_file_it_was_made_from(cli: Any, shelf: Any, outside: Path, tmp_path: Path) -> None:
    assert cli(*_commands(outside, shelf, tmp_path)["prune and repair"]).code == 0
    words = ("--data", shelf.data, "--saliency", "none", "--no-latency", "--out", tmp_path / "run")
    assert cli("compare", outside, tmp_path / "r.onnx", *words).code == 0
    base, made = load_run(tmp_path / "run").artifacts
    assert made.parent_sha256 == base.sha256
    assert f"model, {base.sha256}" in (tmp_path / "run" / "report.html").read_text()


# ------------------------------------------------------------------------------------------------ bad input


def _missing(folder: Path) -> None:
    (folder / "model.onnx.data").unlink()


def _short(folder: Path) -> None:
    os.truncate(folder / "model.onnx.data", 100)


def _linked(folder: Path) -> None:
    (folder / "model.onnx.data").rename(folder / "real.data")
    (folder / "model.onnx.data").symlink_to("real.data")


def _linked_away(folder: Path) -> None:
    (folder / "model.onnx.data").rename(folder.parent / "real.data")
    (folder / "model.onnx.data").symlink_to("../real.data")


def _edited(key: str, value: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        model = onnx.load(folder / "model.onnx", load_external_data=False)
        for entry in model.graph.initializer[0].external_data:
            if entry.key == key:
                entry.value = value
        (folder / "model.onnx").write_bytes(model.SerializeToString())

    return edit


def _huge(folder: Path) -> None:
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    huge = model.graph.initializer.add(name="huge", data_type=TensorProto.FLOAT, dims=[3, 1 << 28])
    huge.data_location = TensorProto.EXTERNAL
    huge.external_data.add(key="location", value="huge.data")
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    with (folder / "huge.data").open("wb") as stream:
        stream.truncate(3 << 30)


FAST = {"missing", "link", "huge"}
BAD = {
    "missing": (_missing, "got no data file 'model.onnx.data' beside it"),
    "short": (_short, "got a data file 'model.onnx.data' of 100 bytes, too short"),
    "link": (_linked, "got a link in the place of the data file"),
    "link away": (_linked_away, "got a link in the place of the data file"),
    "above": (_edited("location", "../model.onnx.data"), "got a data file outside the model's folder"),
    "absolute": (_edited("location", "/dev/zero"), "got a data file outside the model's folder"),
    "negative": (_edited("offset", "-8"), "got the offset '-8'"),
    "length": (_edited("length", "12"), "got 12 bytes of data"),
    "huge": (_huge, "Expected a model below 2 GiB, got 3.0 GiB"),
}


@pytest.mark.parametrize("case", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in BAD])
def test_bad_data_files_are_said_in_one_sentence_and_nothing_is_written(
    case: str, cli: Any, shelf: Any, outside: Path, tmp_path: Path
) -> None:
    spoil, says = BAD[case]
    spoil(outside.parent)
    commands = _commands(outside, shelf, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for words in commands.values():
        answer = cli(*words)
        _expect_one_sentence(answer, says, outside)
        assert sorted(tmp_path.rglob("*")) == before


def _expect_one_sentence(answer: Any, says: str, outside: Path) -> None:
    assert answer.code == 2, answer.err
    # Some have told of their progress before.
    line = answer.err.strip().splitlines()[-1]
    assert line.startswith("compress-onnx: Expected ")
    assert says in line
    assert f"({outside})" in line
    assert answer.out == ""


@pytest.mark.slow
def test_a_model_that_is_rewritten_while_it_is_timed_is_refused(
    cli: Any, shelf: Any, outside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from compress_onnx.comparison import timing

    timed = timing.time_files

    def timed_and_rewritten(*words: Any, **options: Any) -> Any:
        found, data = timed(*words, **options), outside.parent / "model.onnx.data"
        data.write_bytes(np.frombuffer(data.read_bytes(), np.float32)[::-1].tobytes())
        return found

    monkeypatch.setattr(timing, "time_files", timed_and_rewritten)
    answer = cli(*_commands(outside, shelf, tmp_path)["bench"])
    assert answer.code == 2
    assert "stays as it is while it is judged" in answer.err

"""A run in memory and the same run from its folder say the same, and what is lost is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compress_onnx.comparison.run import RunResults, save_new, stored_run
from compress_onnx.errors import RecordError
from compress_onnx.gate.lock import CONTENT
from compress_onnx.store.predictions import load_predictions
from compress_onnx.store.samples import load_pictures

RunOf = Callable[..., RunResults]


@pytest.fixture
def run(run_of: RunOf) -> RunResults:
    return run_of("a-run", {"one": 0.3, "two": 0.6})


def test_a_stored_run_is_the_run(run: RunResults, tmp_path: Path) -> None:
    stored = save_new(run, tmp_path / "run")
    assert (stored.folder, run.folder) == (tmp_path / "run", None)
    for place in (tmp_path / "run", tmp_path / "run" / "run.json"):
        found = stored_run(place)
        assert (found.record, found.folder) == (run.record, tmp_path / "run")
        assert found.samples().column_names == run.samples().column_names
        for mine, theirs in zip(run.columns, found.columns, strict=True):
            assert mine.keys() == theirs.keys()
            for name in mine:
                np.testing.assert_array_equal(mine[name], theirs[name])
    for name, predictions in run.predictions.items():
        logits = load_predictions(tmp_path / "run" / "predictions" / f"{name}.npz").logits
        np.testing.assert_array_equal(logits, predictions.logits)
    assert load_pictures(tmp_path / "run") == run.pictures
    assert run.pictures


def test_rows_are_those_of_the_candidates_in_the_records_order(run: RunResults) -> None:
    assert list(run.comparisons) == ["one", "two"]
    rows = run.rows(["two", "one"])
    assert list(rows) == ["two", "one"]
    for name, columns in rows.items():
        assert set(columns["candidate"]) == {name}
        assert columns["candidate_class"].tolist() == run.predictions[name].logits.argmax(axis=1).tolist()
    table = run.samples()
    assert table.num_rows == 180
    assert table["candidate"].to_pylist() == ["one"] * 90 + ["two"] * 90
    assert run.rows_with_content(["one"])["one"][CONTENT].tolist() == table[CONTENT].to_pylist()[:90]


def test_unknown_rows_are_named(run: RunResults, tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"rows of the candidate 'three', got none \(the run\)\. Make the run again"):
        run.rows(["one", "three"])
    with pytest.raises(RecordError, match=r"'three', got none \(.*samples\.parquet\)"):
        save_new(run, tmp_path / "run").rows(["three"])


def test_a_run_that_has_lost_its_rows_still_has_its_record(run: RunResults, tmp_path: Path) -> None:
    folder = save_new(run, tmp_path / "run").folder
    assert folder is not None
    (folder / "samples.parquet").unlink()
    found = stored_run(folder)
    assert found.record == run.record
    assert found.rows(["one"]) == {}
    with pytest.raises(RecordError, match=r"samples\.parquet, got no such file \(.*samples\.parquet\)"):
        found.samples()
    with pytest.raises(RecordError, match=r"samples\.parquet, to look images up, got no such file"):
        found.rows_with_content(["one"])


def test_rows_without_hashes_are_of_an_earlier_version(run: RunResults) -> None:
    parts = [{name: column for name, column in part.items() if name != CONTENT} for part in run.columns]
    old = dataclasses.replace(run, columns=parts)
    assert set(old.rows(["one", "two"])) == {"one", "two"}
    with pytest.raises(RecordError, match=r"to look images up, got a run of an earlier version without it"):
        old.rows_with_content(["one"])


def test_a_run_that_cannot_be_written_leaves_nothing(run: RunResults, tmp_path: Path) -> None:
    def broken() -> Any:
        yield from run.columns
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_new(dataclasses.replace(run, columns=broken()), tmp_path / "run")
    assert list(tmp_path.glob("run*")) == []


def test_a_notebook_shows_every_candidate_and_no_markup_of_theirs(run: RunResults) -> None:
    (first, second) = run.record.comparisons
    odd = dataclasses.replace(first, candidate_name="<b>bold</b>")
    record = dataclasses.replace(run.record, comparisons=(odd, second))
    page = dataclasses.replace(run, record=record)._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert (page.count("<tr>"), page.count("<th>"), page.count("<td>")) == (3, 7, 14)
    assert "pictures0 (all, 90 images), baseline accuracy" in page

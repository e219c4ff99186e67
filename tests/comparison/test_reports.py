from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from compress_onnx.comparison import reports
from compress_onnx.comparison.job import Job
from compress_onnx.comparison.models import named_models
from compress_onnx.comparison.options import CompareOptions
from compress_onnx.comparison.stages import compare_models
from compress_onnx.errors import OptionError, RecordError
from compress_onnx.store.samples import PICTURES_FILE, SAMPLES_FILE, load_samples, samples_written


@pytest.fixture
def folder(make_classifier: Any, make_images: Any, started: datetime, tmp_path: Path) -> Path:
    """A finished run with flips and pictures, in a study's folder of its own."""
    job = Job(
        models=named_models([make_classifier("base"), make_classifier("other", noise=0.3)]),
        images=make_images(),
        options=CompareOptions(),
        folder=tmp_path / "study" / "run",
        command=("compress-onnx", "compare"),
        started_at=started,
    )
    compare_models(job)
    return job.folder


def test_report_without_images_holds_none(folder: Path) -> None:
    page = reports.write_report(folder, images=False).read_text(encoding="utf-8")
    assert "left out of this file on request" in page
    assert '"pictures":{}' in page
    assert '"maps":null' in page
    assert "image/png;base64,iVBOR" not in page


def test_missing_samples_are_said_and_the_rest_rendered(folder: Path) -> None:
    (folder / SAMPLES_FILE).unlink()
    (folder / PICTURES_FILE).unlink()
    page = reports.write_report(folder).read_text(encoding="utf-8")
    assert "samples.parquet is missing" in page
    assert "Candidates against the baseline" in page


def test_samples_of_another_form_are_refused_by_name(folder: Path) -> None:
    columns = load_samples(folder)
    with samples_written(folder) as write:
        write({name: values for name, values in columns.items() if name != "flip_kind"})
    with pytest.raises(RecordError, match=r"columns flip_kind, got none .*samples.parquet.* take the file away"):
        reports.write_report(folder)


def test_comparison_leaves_the_runs_own_page_alone(folder: Path) -> None:
    own = reports.write_report(folder)
    before = own.read_bytes()
    page = reports.write_report(folder, against=folder)
    assert page != own
    assert own.read_bytes() == before
    assert "Compared with an older run" in page.read_text(encoding="utf-8")


def test_a_study_is_a_folder_of_runs(folder: Path) -> None:
    study = folder.parent
    reports.write_report(folder)
    assert reports.is_study(study)
    assert not reports.is_study(folder)
    page = reports.write_study_page(study).read_text(encoding="utf-8")
    assert re.search(r'<a href="run/report.html">', page)
    assert "Published claims" in page


def test_a_study_without_a_cell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="at least one finished cell, got none"):
        reports.write_study_page(tmp_path)


def test_the_page_is_the_same_each_time(folder: Path) -> None:
    first = reports.write_report(folder).read_bytes()
    assert reports.write_report(folder).read_bytes() == first
    assert str(folder).encode() not in first

"""``demo``: the whole chain on data that comes with the package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from compress_onnx.cli.app import run
from compress_onnx.store.run import load_run, without_times


@pytest.fixture
def one_thread() -> Iterator[None]:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_the_same_command_twice_gives_the_same_record_but_for_time(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    records = []
    for _ in range(2):
        words = ["demo", "--recipe", "prune:0.5", "--saliency-samples", "40", "--out", str(tmp_path / "run")]
        assert run(words) == 0
        records.append(load_run(tmp_path / "run"))
    assert records[0].command == records[1].command == ("compress-onnx", *words)
    assert without_times(records[0]) == without_times(records[1])
    (candidate,) = records[0].comparisons
    assert candidate.candidate_name == "prune0.5"
    assert candidate.saliency is not None
    assert candidate.saliency.n == 40
    assert candidate.latency is not None
    assert (tmp_path / "run" / "report.html").is_file()

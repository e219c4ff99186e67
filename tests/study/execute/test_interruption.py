"""Studies that are killed at a random moment, and studies on a cluster: the same records in the end."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from compress_onnx.store import load_run, load_study, without_times

pytestmark = pytest.mark.slow

SPEC = """\
networks = ["lenet5"]
datasets = ["digits"]
recipes = ["prune:0.5", "prune:0.5+w8a8"]
seeds = [0, 1, 2]
saliency = "none"
calibration_size = 64
latency = false
"""
STUDY = (sys.executable, "-m", "compress_onnx", "study", "grid.toml", "--json")
KILLS = 10
LATEST_KILL_S = 4
SECONDS = 240


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return _with_spec(tmp_path)


def _with_spec(folder: Path) -> Path:
    pytest.importorskip("torch")
    (folder / "grid.toml").write_text(SPEC)
    return folder


def _started(words: Sequence[str], folder: Path, **changes: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1", **changes}
    return subprocess.Popen(
        words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=SECONDS)
    return process.returncode, said


def _whole(folder: Path) -> list[Any]:
    """Return the summary and the cells' records, but for times."""
    study = load_study(folder)
    return [without_times(study), *(without_times(load_run(folder / cell.name)) for cell in study.cells)]


@pytest.fixture(scope="module")
def untroubled(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Return the records of the study when nothing happens."""
    home = _with_spec(tmp_path_factory.mktemp("untroubled"))
    code, said = _ended(_started([*STUDY, "--out", "untroubled", "--workers", "2"], home))
    assert code == 0, said
    return _whole(home / "untroubled")


def test_a_study_killed_again_and_again_ends_with_the_same_records(home: Path, untroubled: list[Any]) -> None:
    """Workers end with their parent, and the resumed study never trusts half a cell."""
    moments = random.Random(0)  # noqa: S311  # no secret
    words = [*STUDY, "--out", "killed", "--workers", "2"]
    for number in range(KILLS):
        process = _started(words, home)
        if number % 2:
            # Beginning takes longer than a cell of this study: every second moment lies among the cells.
            _wait_until(lambda: any((home / "killed").glob(".part-*")), process)
        time.sleep(moments.uniform(0, LATEST_KILL_S))
        process.kill()
        _ended(process)
        # A cell that is there is there whole.
        for record in (home / "killed").glob("[!.]*/run.json"):
            load_run(record)
    code, said = _ended(_started(words, home))
    assert code == 0, said
    assert _whole(home / "killed") == untroubled
    assert not list((home / "killed").glob(".part-*"))
    begin = time.monotonic()
    code, said = _ended(_started(words, home))
    assert code == 0, said
    assert "3 of 3 cells were there before" in said
    assert "1 of" not in said
    assert time.monotonic() - begin < SECONDS


def test_ctrl_c_ends_all_processes_and_loses_only_what_ran(home: Path) -> None:
    process = _started([*STUDY, "--out", "stopped", "--workers", "1"], home)
    first = home / "stopped" / "lenet5-digits-seed0" / "cell.sha256"
    _wait_for(first.exists, process)
    before = first.read_text()
    process.send_signal(signal.SIGINT)
    code, said = _ended(process)
    assert code == 130
    last = said.splitlines()[-1]
    assert last.startswith(
        "compress-onnx: interrupted. Finished cells are kept. Go on with: compress-onnx study grid.toml"
    )
    assert "Traceback" not in said
    assert not list((home / "stopped").glob(".part-*"))
    code, said = _ended(_started([*STUDY, "--out", "stopped"], home))
    assert code == 0, said
    assert "1 of 3 cells were there before" in said or "2 of 3" in said
    assert first.read_text() == before


def _wait_until(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something happens or the process ends."""
    while process.poll() is None and not happened():
        time.sleep(0.02)


def _wait_for(happened: Callable[[], bool], *processes: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while not happened():
        ended = [_ended(process) for process in processes if process.poll() is not None]
        assert not ended, ended
        assert time.monotonic() < deadline
        time.sleep(0.05)


# -------------------------------------------------------------------------------------------- cluster


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("distributed")
    # Port 0 is any that is free; a port looked for beforehand may be another's by then.
    command = ["-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    folder = tmp_path_factory.mktemp("cluster") / "scheduler"
    with _serving([sys.executable, *command], folder) as process:
        said = re.compile(r"Scheduler at:\s+(tcp://127\.0\.0\.1:\d+)\s")
        _wait_for(lambda: said.search((folder / "log").read_text()) is not None, process)
        yield said.findall((folder / "log").read_text())[0]


@contextlib.contextmanager
def _serving(words: Sequence[str], folder: Path, **changes: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a folder of its own, in a process group of its own: Dask's nanny would outlive a kill."""
    folder.mkdir()
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), **changes}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _worker(address: str, folder: Path, *more: str, **changes: str) -> Any:
    words = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard", *more]
    return _serving(words, folder, **changes)


def _registered(*folders: Path) -> Callable[[], bool]:
    return lambda: all("Registered to" in (folder / "log").read_text() for folder in folders)


def test_a_worker_killed_in_the_middle_gives_its_cell_to_the_other(
    scheduler: str, home: Path, untroubled: list[Any]
) -> None:
    one, two = home / "one", home / "two"
    with _worker(scheduler, one, "--no-nanny") as first, _worker(scheduler, two) as second:
        _wait_for(_registered(one, two), first, second)
        process = _started([*STUDY, "--out", "cluster", "--cluster", scheduler], home)
        _wait_for((one / "cache/compress-onnx/parcels").is_dir, process)
        os.killpg(first.pid, signal.SIGKILL)
        code, said = _ended(process)
    assert code == 0, said
    assert _whole(home / "cluster") == untroubled


def test_a_worker_with_other_data_is_named_and_the_others_go_on(scheduler: str, home: Path) -> None:
    """A plug-in data set would do; the traffic signs are looked up in a folder, so that folder differs."""
    for name, seed in (("right", 1), ("wrong", 2)):
        _signs(home / name, seed)
    spec = SPEC.replace("digits", "gtsrb").replace("[0, 1, 2]", "[0, 1]")
    (home / "grid.toml").write_text(spec)
    right, wrong = ({"COMPRESS_ONNX_DATA": str(home / name)} for name in ("right", "wrong"))
    one, two = home / "one", home / "two"
    words = [*STUDY, "--cluster", scheduler]
    with _worker(scheduler, one, **wrong) as first:
        _wait_for(_registered(one), first)
        code, said = _ended(_started([*words, "--out", "cluster"], home, **right))
        assert code == 2, said
        assert "gtsrb:test with hash" in said
        assert "no worker is left. tcp://127.0.0.1" in said
        with _worker(scheduler, two, **right) as second:
            _wait_for(_registered(two), second)
            code, said = _ended(_started([*words, "--out", "cluster"], home, **right))
    assert code == 0, said
    assert len(load_study(home / "cluster").cells) == 2


def _signs(root: Path, seed: int) -> None:
    import numpy as np
    from PIL import Image

    from compress_onnx.data.parquet import save_parquet
    from compress_onnx.data.torchvision_sets import GTSRB_CLASSES

    rng = np.random.default_rng(seed)

    def rows(n: int) -> Iterator[dict[str, Any]]:
        for row in range(n):
            picture = root / "picture.png"
            picture.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(picture)
            label, content = row % len(GTSRB_CLASSES), picture.read_bytes()
            yield {"image": {"bytes": content, "path": f"{row:05d}.png"}, "label": label, "track": row}

    for split, n in (("train", 129), ("test", 86)):
        save_parquet(root / "gtsrb" / f"{split}.parquet", rows(n), class_names=GTSRB_CLASSES)


def test_timing_without_a_worker_for_it_is_refused_before_anything_runs(scheduler: str, home: Path) -> None:
    one = home / "one"
    with _worker(scheduler, one) as first:
        _wait_for(_registered(one), first)
        words = [*STUDY, "--out", "cluster", "--cluster", scheduler, "--latency"]
        code, said = _ended(_started(words, home))
    assert code == 2, said
    assert "a worker with the resource latency" in said
    assert not list((home / "cluster").glob("*/run.json"))


def test_a_scheduler_without_workers_is_refused(scheduler: str, home: Path) -> None:
    code, said = _ended(_started([*STUDY, "--out", "cluster", "--cluster", scheduler], home))
    assert code == 2, said
    assert "Expected a worker with this client's packages, got no worker at all" in said


def test_a_worker_with_another_version_of_the_package_is_named_and_the_others_go_on(scheduler: str, home: Path) -> None:
    """The other version is a changed copy of this one's metadata, first on that worker's path."""
    from importlib.metadata import distribution

    shelf = home / "shelf" / "compress_onnx-0.0.1.dist-info"
    shelf.mkdir(parents=True)
    (shelf / "METADATA").write_text("Metadata-Version: 2.1\nName: compress-onnx\nVersion: 0.0.1\n")
    shutil.copy(Path(str(distribution("compress-onnx").locate_file("")), *_entry_points()), shelf)
    one, two = home / "one", home / "two"
    (home / "grid.toml").write_text(SPEC.replace("[0, 1, 2]", "[0]"))
    old = {"PYTHONPATH": os.pathsep.join(filter(None, [str(home / "shelf"), os.environ.get("PYTHONPATH", "")]))}
    with _worker(scheduler, one, **old) as first, _worker(scheduler, two) as second:
        _wait_for(_registered(one, two), first, second)
        code, said = _ended(_started([*STUDY, "--out", "cluster", "--cluster", scheduler], home))
    assert code == 0, said
    assert "is left out. Expected compress-onnx" in said
    assert "got 0.0.1" in said


def _entry_points() -> list[str]:
    from importlib.metadata import distribution

    files = distribution("compress-onnx").files or []
    return next([*path.parts] for path in files if path.name == "entry_points.txt")

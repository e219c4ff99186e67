"""How a study runs: on two workers, resumed, on LeNet-5, and beside its calls of ONNX Runtime and gradients alone.

``python tests/benchmarks/bench_study.py`` measures every row, ``... bench_study.py cluster resume lenet5 ratio`` some;
``ratio`` takes ``--network`` and ``--dataset``. Exits 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from datetime import datetime
from pathlib import Path
from typing import Any

import onnxruntime as ort
import torch
from bench_table import Row, table

from compress_onnx import options
from compress_onnx.store import load_run, load_study
from compress_onnx.study.execute.cluster import open_cluster
from compress_onnx.study.grid.runner import run_study
from compress_onnx.study.grid.spec import Spec, load_spec, spec_of
from compress_onnx.study.grid.stages import StudySetup

CELLS = 8
EQUAL = {
    "networks": ["lenet5"],
    "datasets": ["digits"],
    "recipes": ["prune:0.5+repair", "w8a8", "w4a8", "prune:0.5+repair+w8a8", "search:0.01", "search:0.01+w8a8"],
    "saliency_samples": 300,
    "latency": False,
}
LENET5 = ("study", "paper", "--network", "lenet5", "--json")
SECONDS = 3600
_NEEDED = ("cifar10", "gtsrb")


def setting(open_executor: Callable[[], Executor]) -> StudySetup:
    """Return how the studies of this benchmark run."""
    return StudySetup(
        command=("bench",),
        started_at=datetime.now().astimezone(),
        open_executor=open_executor,
        say=lambda line: print(line, file=sys.stderr, flush=True),  # noqa: T201  # a sign of life
    )


def seconds_of(spec: Spec, folder: Path, open_executor: Callable[[], Executor]) -> float:
    """Return how long a study takes."""
    begin = time.perf_counter()
    run_study(spec, folder, setting(open_executor))
    return time.perf_counter() - begin


# ------------------------------------------------------------------------------------------- cluster


@contextlib.contextmanager
def cluster(workers: int, folder: Path) -> Iterator[str]:
    """Yield the address of a scheduler with so many workers of one thread, each with a folder of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    with contextlib.ExitStack() as stack:
        words = ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
        stack.enter_context(served(words, folder / "scheduler"))
        for number in range(workers):
            words = ["worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
            stack.enter_context(served(words, folder / f"worker{number}"))
        client: Any = _client(address)
        with client:
            client.wait_for_workers(workers, timeout=60)
        yield address


def _client(address: str) -> Any:
    import distributed

    made: Any = distributed.Client
    # A scheduler takes some seconds to begin.
    return made(address, timeout=60, set_as_default=False)


@contextlib.contextmanager
def served(words: Sequence[str], folder: Path) -> Iterator[None]:
    """Run a part of Dask in a folder of its own, with a cache of its own."""
    folder.mkdir(parents=True)
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "-m", f"distributed.cli.dask_{words[0]}", *words[1:]]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def cluster_row(folder: Path) -> Row:
    """Return how much faster two workers are than one, on equal cells; what starts only once is not counted."""
    spent = []
    for workers in (1, 2):
        place = folder / f"cluster{workers}"
        with cluster(workers, place) as address:
            opened = functools.partial(open_cluster, address, None)
            seconds_of(spec_of({**EQUAL, "seeds": list(range(100, 100 + workers))}), place / "first", opened)
            spent.append(seconds_of(spec_of({**EQUAL, "seeds": list(range(CELLS))}), place / "grid", opened))
    return Row(
        figure=f"two Dask workers against one, one thread each, {CELLS} equal cells",
        bar=1.7,
        reach="at least",
        ours=f"{spent[1]:.1f} s",
        reference=f"{spent[0]:.1f} s",
        value=spent[0] / spent[1],
    )


# ------------------------------------------------------------------------------------ paper on LeNet-5


def lenet5_row(folder: Path) -> Row:
    """Return how long the paper preset takes on LeNet-5, both data sets, as a user runs it."""
    figure = "paper preset, LeNet-5 on both data sets, seconds"
    if missing():
        return Row(figure=figure, bar=600, reach="at most", skipped=missing())
    spent = ran(folder)
    return Row(figure=figure, bar=600, reach="at most", ours=f"{spent:.0f} s", value=spent)


def resume_row(folder: Path) -> Row:
    """Return how long a finished study takes when it is started again; no file of a cell may be written again."""
    figure = "resume of a finished study, paper preset on LeNet-5, seconds"
    if missing():
        return Row(figure=figure, bar=10, reach="at most", skipped=missing())
    ran(folder)
    before = written(folder / "paper")
    spent = min(ran(folder) for _ in range(3))
    now = written(folder / "paper")
    changed = [name for name, when in now.items() if "/" in name and before.get(name) != when]
    nothing = f"recomputed: {', '.join(changed)}" if changed else "nothing recomputed"
    return Row(
        figure=figure,
        bar=10,
        reach="at most",
        ours=f"{spent:.1f} s, {nothing}",
        value=float("inf") if changed else spent,
    )


def missing() -> str:
    """Say which data is not on this machine; nothing where all is."""
    absent = [name for name in _NEEDED if not (options.data_root() / name / "test.parquet").is_file()]
    return f"no {' and '.join(absent)} under $COMPRESS_ONNX_DATA" if absent else ""


def ran(folder: Path) -> float:
    """Return how long the command takes; its first run in a folder does the work."""
    words = [sys.executable, "-m", "compress_onnx", *LENET5, "--out", str(folder / "paper")]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    begin = time.perf_counter()
    subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=SECONDS)
    return time.perf_counter() - begin


def written(folder: Path) -> dict[str, int]:
    """Return when each file was written, in nanoseconds."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()
    }


# ---------------------------------------------------------------------------------------------- ratio


class Here(Executor):
    """Runs cells in this process, where calls can be counted."""

    shares_files = True

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it at once."""
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Watch:
    """Seconds spent in calls that are watched; a call within a call counts once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._inside = False

    def wrapped(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with its time added up."""

        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return function(*args, **kwargs)
            self._inside, begin = True, time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - begin
                self._inside = False

        return watched


@contextlib.contextmanager
def watching() -> Iterator[tuple[Watch, Watch]]:
    """Yield two watches, of ONNX Runtime's calls and of the twins' forward and backward passes."""
    runtime, gradients = Watch(), Watch()
    wrapped = (
        (ort.InferenceSession, "run", runtime),
        (torch.nn.Module, "__call__", gradients),
        (torch.autograd, "grad", gradients),
    )
    originals = [getattr(owner, name) for owner, name, _ in wrapped]
    for owner, name, watch in wrapped:
        setattr(owner, name, watch.wrapped(getattr(owner, name)))
    try:
        yield runtime, gradients
    finally:
        for (owner, name, _), original in zip(wrapped, originals, strict=True):
            setattr(owner, name, original)


def ratio_row(folder: Path, network: str, dataset: str) -> Row:
    """Return a study's seconds over those of its ONNX Runtime and gradient calls, on one thread; timing counts."""
    figure = f"paper preset, {network} on {dataset}: whole time over its ORT and gradient calls"
    if missing():
        return Row(figure=figure, bar=1.3, reach="at most", skipped=missing())
    spec = load_spec(Path("paper"), {"networks": [network], "datasets": [dataset]})
    with watching() as (runtime, gradients):
        spent = seconds_of(spec, folder / "ratio", Here)
    timed = timed_seconds(folder / "ratio")
    calls = runtime.seconds + gradients.seconds + timed
    told = f"ORT {runtime.seconds:.0f} s, gradients {gradients.seconds:.0f} s, timed calls {timed:.0f} s"
    return Row(figure=figure, bar=1.3, reach="at most", ours=f"{spent:.0f} s", reference=told, value=spent / calls)


def timed_seconds(folder: Path) -> float:
    """Return the seconds of all timed and warming calls of a study; the baseline's stand in each comparison."""
    total = 0.0
    for cell in load_study(folder).cells:
        found = [one.latency for one in load_run(folder / cell.name).comparisons if one.latency is not None]
        runs = [one.candidate for one in found] + [one.baseline for one in found[:1]]
        total += sum(sum(run.values_ms) + sum(run.warmup_ms) for run in runs) / 1000
    return total


def study_rows(
    folder: Path, wanted: Sequence[str] = (), *, cell: tuple[str, str] = ("squeezenet", "gtsrb")
) -> Iterator[Row]:
    """Yield the rows of these names, all without any."""
    rows: dict[str, Callable[[], Row]] = {
        "cluster": lambda: cluster_row(folder),
        "lenet5": lambda: lenet5_row(folder),
        "resume": lambda: resume_row(folder),
        "ratio": lambda: ratio_row(folder, *cell),
    }
    for name in wanted or rows:
        yield rows[name]()


def main() -> int:
    """Print the table; the exit code is 1 if a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", choices=["cluster", "lenet5", "resume", "ratio", []])
    parser.add_argument("--network", default="squeezenet")
    parser.add_argument("--dataset", default="gtsrb")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="compress-onnx-bench-") as folder:
        measured = list(study_rows(Path(folder), given.rows, cell=(given.network, given.dataset)))
    print(table(measured))  # noqa: T201  # the table is the output
    return int(any(row.passed is False for row in measured))


if __name__ == "__main__":
    sys.exit(main())

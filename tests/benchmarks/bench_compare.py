"""Wall time of ``compare`` on two SqueezeNet artifacts against bare ONNX Runtime calls and against a plain loop.

``python tests/benchmarks/bench_compare.py [ROUNDS]`` prints the rows alone, and the whole process's time.

*Ours* is ``compare_models``, without cache, latency and saliency: from two model files and an image set whose
pictures are still encoded to the run's folder with its record (hashes, footprints and fusion receipts, decoding,
preprocessing, probe, predictions, all metrics, samples, the flips' pictures, ``run.json``). *Bare* is ``session.run``
over inputs that lie ready in memory, in sessions that are open, at the batch and the number of threads or of calls at
a time that were fastest in a scan. All sides run in turn; the ratios' median counts.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnxruntime as ort
from bench_models import form_of, made
from bench_table import Row, table
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss

from compress_onnx.comparison.job import Job
from compress_onnx.comparison.models import named_models
from compress_onnx.comparison.options import CompareOptions
from compress_onnx.comparison.stages import compare_models
from compress_onnx.data.images import ImageSet
from compress_onnx.data.sources import load_data
from compress_onnx.errors import CompressOnnxError
from compress_onnx.model.files import load_model
from compress_onnx.records.artifacts import Preprocessing
from compress_onnx.runtime.workers.passport import usable_cores

ROUNDS = 5
IMAGES, SCANNED = 10_000, 512
BATCHES = (1, 4, 16, 64, 256)
Inputs = NDArray[np.float32]
Side = Callable[[], object]


def compare_rows(models: list[Path], folder: Path, *, rounds: int = ROUNDS) -> Iterator[Row]:
    """Yield the two figures."""
    images = load_data(data(folder))
    form = form_of(load_model(models[0]))
    inputs = np.concatenate(list(images.batches(form)))
    bare = [_fastest(_ways(model), inputs) for model in models]
    sides: dict[str, Side] = {
        "ours": lambda: compared(models, images, folder / "run"),
        "bare": lambda: [run(inputs) for run in bare],
        "loop": lambda: looped(models, images, form),
    }
    seconds = in_turn(sides, rounds)
    of = f"compare of two SqueezeNet artifacts, {len(images):,} images"
    yield Row(
        figure=f"{of} / bare ONNX Runtime calls, best batch, threads and calls at a time",
        bar=1.15,
        reach="at most",
        ours=f"{np.median(seconds['ours']):.2f} s",
        reference=f"{np.median(seconds['bare']):.2f} s",
        value=float(np.median(seconds["ours"] / seconds["bare"])),
    )
    ratio = float(np.median(seconds["loop"] / seconds["ours"]))
    yield Row(
        figure=f"plain loop of single-image calls with scikit-learn's metrics / {of}",
        bar=1.5,
        reach="at least",
        ours=f"{np.median(seconds['ours']):.2f} s",
        reference=f"{np.median(seconds['loop']):.2f} s",
        value=ratio,
    )


def in_turn(sides: dict[str, Side], rounds: int) -> dict[str, NDArray[np.float64]]:
    """Return each side's seconds by round; every other round goes backwards."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds):
        for name in list(sides)[:: 1 if turn % 2 else -1]:
            begin = time.perf_counter()
            sides[name]()
            seconds[name].append(time.perf_counter() - begin)
    return {name: np.asarray(values) for name, values in seconds.items()}


def data(folder: Path) -> str:
    """Return CIFAR-10's test split where it is stored, else an archive of as many random pictures."""
    with contextlib.suppress(CompressOnnxError):
        load_data(path := os.environ.get("COMPRESS_ONNX_DATA", "") + "/cifar10/test.parquet")
        return path
    archive = folder / "pictures.npz"
    if not archive.exists():
        rng = np.random.default_rng(0)
        pictures = rng.integers(0, 256, (IMAGES, 32, 32, 3), dtype=np.uint8)
        np.savez(archive, images=pictures, labels=np.arange(IMAGES) % 10)
    return str(archive)


def compared(models: list[Path], images: ImageSet, folder: Path) -> None:
    """Run the compare stage."""
    job = Job(
        models=named_models(models),
        images=images,
        options=CompareOptions(cache=False),
        folder=folder,
        command=("bench",),
        started_at=datetime.now(UTC),
    )
    compare_models(job)


def _session(model: Path, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _called(session: ort.InferenceSession, inputs: Inputs, *, batch: int) -> list[object]:
    name = session.get_inputs()[0].name
    return [session.run(None, {name: inputs[at : at + batch]}) for at in range(0, len(inputs), batch)]


def _called_side_by_side(session: ort.InferenceSession, inputs: Inputs, *, batch: int) -> list[object]:
    name = session.get_inputs()[0].name
    calls = [inputs[at : at + batch] for at in range(0, len(inputs), batch)]
    with ThreadPoolExecutor(usable_cores()) as pool:
        return list(pool.map(lambda call: session.run(None, {name: call}), calls))


def _ways(model: Path) -> Iterator[Callable[[Inputs], object]]:
    """Yield ways to call ONNX Runtime: a call at a time, on one thread or all cores, or a call per core; by batch."""
    single, parallel = _session(model, 1), _session(model, usable_cores())
    for batch in BATCHES:
        yield functools.partial(_called, single, batch=batch)
        yield functools.partial(_called, parallel, batch=batch)
        yield functools.partial(_called_side_by_side, single, batch=batch)


def _fastest(ways: Iterator[Callable[[Inputs], object]], inputs: Inputs) -> Callable[[Inputs], object]:
    """Return the way that was fastest on a part of the images, each tried three times in turn."""
    candidates = list(ways)
    seconds = np.zeros((3, len(candidates)))
    for turn, (place, way) in itertools.product(range(3), enumerate(candidates)):
        begin = time.perf_counter()
        way(inputs[:SCANNED])
        seconds[turn, place] = time.perf_counter() - begin
    return candidates[int(seconds.min(axis=0).argmin())]


def looped(models: list[Path], images: ImageSet, form: Preprocessing) -> list[object]:
    """Decode and normalize a picture, ask both models, go on; then scikit-learn's metrics for both."""
    sessions = [_session(model, 1) for model in models]
    names = [session.get_inputs()[0].name for session in sessions]
    mean, std = np.array(form.mean, np.float32), np.array(form.std, np.float32)
    logits: list[list[NDArray[np.float32]]] = [[] for _ in models]
    for row in range(len(images)):
        picture = (images.read(row).astype(np.float32) / 255 - mean) / std
        tensor = np.ascontiguousarray(picture.transpose(2, 0, 1)[None])
        for session, name, answers in zip(sessions, names, logits, strict=True):
            answers.append(session.run(None, {name: tensor})[0][0])
    return [_metrics(images.labels, np.stack(answers)) for answers in logits]


def _metrics(labels: NDArray[np.int64] | None, logits: NDArray[np.float32]) -> object:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities, predicted = powers / powers.sum(axis=1, keepdims=True), logits.argmax(axis=1)
    return (
        accuracy_score(labels, predicted),
        confusion_matrix(labels, predicted),
        f1_score(labels, predicted, average="macro", zero_division=0),
        log_loss(labels, probabilities, labels=range(logits.shape[1])),
    )


def process_seconds(models: list[Path], folder: Path) -> float:
    """Return the wall time of the command as a process of its own: start, imports, loading, report page and all."""
    command = [sys.executable, "-m", "compress_onnx", "compare", *map(str, models), "--data", data(folder)]
    options = ["--no-latency", "--saliency", "none", "--no-cache", "--out", str(folder / "process")]
    begin = time.perf_counter()
    subprocess.run([*command, *options], check=True, capture_output=True)
    return time.perf_counter() - begin


def main() -> None:
    """Print the rows, then the process's seconds."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory(prefix="compress-onnx-bench-") as scratch:
        folder = Path(scratch)
        files = made("squeezenet", folder)
        models = [files.fp32, files.w8a8]
        print(table(compare_rows(models, folder, rounds=rounds)))  # noqa: T201  # the table is the output
        seconds = [process_seconds(models, folder) for _ in range(rounds)]
        print(f"the command as a process of its own: {np.median(seconds):.2f} s")  # noqa: T201  # see above


if __name__ == "__main__":
    main()

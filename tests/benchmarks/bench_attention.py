"""Memory of the saliency stage against the number of images, and what the statistics cost beside the maps.

``python tests/benchmarks/bench_attention.py`` prints its own table; ``... weigh N MODEL CANDIDATE`` is the child
that is weighed: it prints its peak in MiB.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from bench_calibration import own_peak
from bench_table import Row, table
from numpy.typing import NDArray

from compress_onnx.data.images import ImageSet
from compress_onnx.data.preprocess import preprocess
from compress_onnx.metrics.outputs.pair import LogitPair
from compress_onnx.records.artifacts import DatasetInfo, Preprocessing

if TYPE_CHECKING:
    # torch, which it imports, must not weigh on the child before the stage asks for it.
    from bench_models import Files

MANY, FEW, TIMED = 10_000, 1_000, 256
ROUNDS = 7
CLASSES = tuple("0123456789")


def images(n: int) -> ImageSet:
    """Return n pictures of smooth noise, made where they are looked at."""

    def read(row: int) -> NDArray[np.uint8]:
        coarse = np.random.default_rng(row).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        return coarse.repeat(4, axis=0).repeat(4, axis=1)

    return ImageSet(
        info=DatasetInfo(name="noise", split="test", n=n, class_names=CLASSES, sha256=str(n)),
        sample_ids=np.array([f"{row:06}" for row in range(n)]),
        labels=np.arange(n) % 10,
        read=read,
    )


def inputs_of(pictures: ImageSet, form: Preprocessing, start: int, stop: int) -> NDArray[np.float32]:
    """Return the pictures from ``start`` to ``stop`` as a model's input."""
    return preprocess(pictures.pixels(start, stop, form), form)


def weigh(n: int, model: Path, candidate: Path) -> None:
    """Run the saliency stage on n images as ``compare`` does, with the candidate taking part twice."""
    from compress_onnx.comparison.models import evaluated_models, named_models
    from compress_onnx.comparison.options import CompareOptions
    from compress_onnx.comparison.saliency import baseline_saliency, saliency_against
    from compress_onnx.comparison.samples import shown_rows
    from compress_onnx.options.progress import silent_stages
    from compress_onnx.runtime.predict import Samples, predict

    pictures = images(n)
    options = CompareOptions(saliency="gradient", saliency_samples=n)
    parties = evaluated_models(
        named_models([model, candidate, candidate]), pictures, fallback=None, folder=model.parent
    )
    answers = []
    for party in parties:
        inputs = functools.partial(inputs_of, pictures, party.preprocessing)
        samples = Samples(inputs=inputs, ids=pictures.sample_ids, labels=pictures.labels, sha256=str(n))
        answers.append(predict(party.model.where, samples))
    attention = baseline_saliency(parties[0], answers[0], pictures, options=options, stages=silent_stages)
    for party, answer in zip(parties[1:], answers[1:], strict=True):
        pair = LogitPair(
            labels=pictures.labels, baseline=answers[0].logits, candidate=answer.logits, class_names=CLASSES
        )
        shown = shown_rows(pair, options.pictures)
        found = saliency_against(attention, party, pair, shown=shown, stages=silent_stages)
        assert found.shift is not None
        assert found.shift.n == n, found.shift.undefined_reason


def memory_row(model: Path, candidate: Path) -> Row:
    """Return the peak memory at 10,000 images against 1,000."""
    few, many = (_peak(n, model, candidate) for n in (FEW, MANY))
    return Row(
        figure=f"saliency peak memory, {MANY:,} images / {FEW:,}, LeNet-5, gradient, two candidates",
        bar=1.1,
        reach="at most",
        ours=f"{many:,.0f} MiB",
        reference=f"{few:,.0f} MiB",
        value=many / few,
    )


def _peak(n: int, model: Path, candidate: Path) -> float:
    command = [sys.executable, __file__, "weigh", str(n), str(model), str(candidate)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def share_row(name: str, model: Path, *, bar: float) -> Row:
    """Return the time of all statistics over the time of the gradient maps they are taken of."""
    import torch

    from compress_onnx.metrics.saliency.classes import coarse
    from compress_onnx.metrics.saliency.group import map_similarities
    from compress_onnx.metrics.saliency.mean_shift import MeanShift
    from compress_onnx.model.files import load_model
    from compress_onnx.saliency.attribution.gradients import gradient
    from compress_onnx.saliency.attribution.maps import batch_maps
    from compress_onnx.saliency.twin import build_twin

    torch.set_num_threads(1)
    twin, rng = build_twin(load_model(model)), np.random.default_rng(0)
    inputs = rng.standard_normal((64, 3, 32, 32), dtype=np.float32)
    targets = np.zeros(64, dtype=np.int64)
    shift = MeanShift(32, 32, rng)
    spent: dict[str, list[float]] = {"maps": [], "statistics": []}
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for _ in range(TIMED // 64):
            maps = batch_maps(gradient, twin, inputs, targets)
        middle = time.perf_counter()
        for _ in range(TIMED // 64):
            map_similarities(maps, maps[::-1])
            before, after = shift.cells(maps), shift.cells(maps[::-1])
            shift.add(before, after)
            coarse(after - before)
        spent["maps"].append(middle - begin)
        spent["statistics"].append(time.perf_counter() - middle)
    explained, measured = (np.asarray(values) for values in spent.values())
    return Row(
        figure=f"time of all saliency statistics / gradient maps, {name}, 32x32",
        bar=bar,
        reach="at most",
        ours=f"{np.median(measured) / TIMED * 1e3:.3f} ms a map",
        reference=f"{np.median(explained) / TIMED * 1e3:.3f} ms a map",
        value=float(np.median(measured / explained)),
    )


def attention_rows(files: Mapping[str, Files]) -> Iterator[Row]:
    """Yield all rows for the files of ``lenet5`` and ``squeezenet``."""
    yield share_row("LeNet-5", files["lenet5"].fp32, bar=1.0)
    yield share_row("SqueezeNet", files["squeezenet"].fp32, bar=0.2)
    yield memory_row(files["lenet5"].fp32, files["lenet5"].w8a8)


def main() -> None:
    """Make the files and print the table of this module alone."""
    from bench_models import made

    with tempfile.TemporaryDirectory(prefix="compress-onnx-bench-") as name:
        files = {network: made(network, Path(name)) for network in ("lenet5", "squeezenet")}
        print(table(attention_rows(files)))  # noqa: T201  # the table is the output


if __name__ == "__main__":
    if sys.argv[1:2] == ["weigh"]:
        weigh(int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
        print(own_peak())  # noqa: T201  # read by the parent
    else:
        main()

"""The twin's bars: fidelity, exactness against PyTorch, speed and memory; also alone.

``python tests/benchmarks/bench_twin.py [models] [agreement] [speed] [memory]`` measures some of
them, all without argument. ``models`` exports all of torchvision and takes half an hour.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from bench_calibration import own_peak
from bench_feed import random_images
from bench_models import CALIBRATION, form_of, network
from bench_table import Row, table
from bench_twin_models import deviations, model_rows, model_table
from captum.attr import Saliency
from torch import nn

from compress_onnx.compress.pruning.prune import PruneOptions, prune_model
from compress_onnx.compress.quantization.options import QuantizeOptions
from compress_onnx.compress.quantization.quantize import quantize_model
from compress_onnx.data.sources import load_data
from compress_onnx.errors import CompressOnnxError
from compress_onnx.model.files import load_model, save_model
from compress_onnx.ort.session import open_session
from compress_onnx.runtime.cpu.machine import cpu_target
from compress_onnx.runtime.predict import logits_of
from compress_onnx.saliency.attribution.gradients import gradient
from compress_onnx.saliency.attribution.maps import batch_maps
from compress_onnx.saliency.batching import BATCH
from compress_onnx.saliency.fidelity import agreement, twin_logits
from compress_onnx.saliency.twin import build_twin
from compress_onnx.zoo.networks import build

ROUNDS = 9
# Images of one timing: several batches, and as many single ones.
TIMED = 2 * BATCH
FEW, MANY = 1_000, 10_000


def speed_rows() -> Iterator[Row]:
    """Yield maps per second of SqueezeNet, all sides in one interleaved run, on one thread and on all."""
    torch.manual_seed(0)
    model = network("squeezenet")
    calibration = random_images(CALIBRATION, batch=16)
    quantized = quantize_model(model, calibration, QuantizeOptions(cpu=cpu_target(), weights="int8"))
    original = build("squeezenet", 10).eval()
    twin, twin_w8a8 = build_twin(model), build_twin(quantized)
    everything = torch.get_num_threads()
    for threads in sorted({1, everything}):
        torch.set_num_threads(threads)
        sides = {
            "original": lambda: _captum(original, BATCH),
            "original one by one": lambda: _captum(original, 1),
            "FP32": lambda: _ours(twin),
            "FP32 one by one": lambda: _captum(twin, 1),
            "W8A8": lambda: _ours(twin_w8a8),
            "W8A8 one by one": lambda: _captum(twin_w8a8, 1),
        }
        yield from _speed(_rates(sides), threads)
    torch.set_num_threads(everything)


def _speed(rates: dict[str, np.ndarray], threads: int) -> Iterator[Row]:
    def row(figure: str, ours: str, reference: str, bar: float) -> Row:
        return Row(
            figure=f"SqueezeNet gradient maps per second, {threads} threads, {figure}",
            bar=bar,
            reach="at least",
            ours=f"{np.median(rates[ours]):.0f}/s",
            reference=f"{np.median(rates[reference]):.0f}/s",
            value=float(np.median(rates[ours] / rates[reference])),
        )

    yield row(f"FP32 twin / captum on the original, batch {BATCH}", "FP32", "original", 0.8)
    yield row(f"W8A8 twin / captum on the original, batch {BATCH}", "W8A8", "original", 0.4)
    yield row("FP32 twin / captum on the original, one by one", "FP32", "original one by one", 4.0)
    yield row("FP32 twin / captum on the twin, one by one", "FP32", "FP32 one by one", 4.0)
    yield row("W8A8 twin / captum on the twin, one by one", "W8A8", "W8A8 one by one", 4.0)


def _rates(sides: dict[str, Callable[[], None]]) -> dict[str, np.ndarray]:
    """Return images per second, (rounds,) per side, sides in turn and warmed up once."""
    spent: dict[str, list[float]] = {name: [] for name in sides}
    for run in sides.values():
        run()
    for turn in range(ROUNDS):
        for name in list(sides)[:: 1 if turn % 2 else -1]:
            begin = time.perf_counter()
            sides[name]()
            spent[name].append(TIMED / (time.perf_counter() - begin))
    return {name: np.asarray(values) for name, values in spent.items()}


def _ours(twin: nn.Module) -> None:
    for batch in random_images(TIMED, batch=BATCH):
        batch_maps(gradient, twin, batch, np.zeros(len(batch), np.int64))


def _captum(module: nn.Module, batch: int) -> None:
    method = Saliency(module)
    for images in random_images(TIMED, batch=batch):
        leaf = torch.from_numpy(images).requires_grad_()
        method.attribute(leaf, target=torch.zeros(batch, dtype=torch.int64)).amax(dim=1)


def agreement_rows(folder: Path) -> Iterator[Row]:
    """Yield the twin's agreement with ONNX Runtime on both full test sets, for four compressions of LeNet-5."""
    for data in ("gtsrb", "cifar10"):
        try:
            images, training = load_data(data), load_data(f"{data}:train")
        except CompressOnnxError as error:
            yield Row(
                figure=f"twin against ONNX Runtime, LeNet-5, {data}", bar=0.999, reach="at least", skipped=str(error)
            )
            continue
        base = _trained(f"lenet5-{data}", folder)
        form = form_of(base)
        chosen = np.random.default_rng(0).permutation(len(training))[:512]
        calibration = list(training.subset(chosen, split="calibration").batches(form))
        inputs = np.concatenate(list(images.batches(form)))
        for name, model in _compressed(base, calibration):
            save_model(model, folder / "candidate.onnx")
            expected = logits_of(open_session(folder / "candidate.onnx"), [inputs])
            found = agreement(twin_logits(build_twin(model), inputs), expected)
            yield Row(
                figure=f"twin against ONNX Runtime, LeNet-5, {data}, {name}, top-1 agreement on {found.n:,}",
                bar=0.999,
                reach="at least",
                ours=f"max logit difference {found.max_abs_logit_diff:.2g}",
                value=found.top1_agreement,
            )


def _trained(name: str, folder: Path) -> onnx.ModelProto:
    path = folder / f"{name}.onnx"
    command = [sys.executable, "-m", "compress_onnx", "export", name, "-o", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return load_model(path)


def _compressed(base: onnx.ModelProto, calibration: list[np.ndarray]) -> Iterator[tuple[str, onnx.ModelProto]]:
    def quantized(model: onnx.ModelProto, weights: str) -> onnx.ModelProto:
        return quantize_model(model, iter(calibration), QuantizeOptions(cpu=cpu_target(), weights=weights))

    pruned = prune_model(base, PruneOptions(sparsity=0.5))
    yield "FP32", base
    yield "W8A8", quantized(base, "int8")
    yield "W4A8", quantized(base, "int4")
    yield "pruned", pruned
    yield "pruned and W8A8", quantized(pruned, "int8")


def memory_row() -> Row:
    """Return the growth of peak memory with the number of images, each in a process of its own."""
    few, many = (_peak(n) for n in (FEW, MANY))
    return Row(
        figure=f"peak memory, gradient maps of {MANY:,} images / {FEW:,}, LeNet-5 W8A8",
        bar=1.1,
        reach="at most",
        ours=f"{many:,.0f} MiB",
        reference=f"{few:,.0f} MiB",
        value=many / few,
    )


def _peak(n: int) -> float:
    command = [sys.executable, __file__, "peak", str(n)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def explain(n: int) -> None:
    """Take the maps of n images as they come, batch by batch."""
    model = network("lenet5")
    calibration = random_images(CALIBRATION, batch=16)
    twin = build_twin(quantize_model(model, calibration, QuantizeOptions(cpu=cpu_target(), weights="int8")))
    for batch in random_images(n, batch=BATCH):
        batch_maps(gradient, twin, batch, np.zeros(len(batch), np.int64))


def twin_rows(folder: Path) -> Iterator[Row]:
    """Yield the rows of speed, agreement and memory."""
    yield from speed_rows()
    yield from agreement_rows(folder)
    yield memory_row()


def _asked(parts: list[str], folder: Path) -> Iterator[Row]:
    if "speed" in parts:
        yield from speed_rows()
    if "agreement" in parts:
        yield from agreement_rows(folder)
    if "memory" in parts:
        yield memory_row()
    if "models" in parts:
        found = []
        for one in deviations():
            found.append(one)
            print(one, file=sys.stderr, flush=True)  # noqa: T201  # a sign of life
        print(model_table(found))  # noqa: T201  # the table is the output
        yield from model_rows(found)


def main(parts: list[str]) -> int:
    """Print the table; the exit code is 1 if a bar was missed."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="compress-onnx-bench-") as folder:
        measured = list(_asked(parts or ["speed", "agreement", "memory", "models"], Path(folder)))
    print(table(measured))  # noqa: T201  # the table is the output
    return int(any(row.passed is False for row in measured))


if __name__ == "__main__":
    if sys.argv[1:2] == ["peak"]:
        explain(int(sys.argv[2]))
        print(own_peak())  # noqa: T201  # read by the parent
    else:
        sys.exit(main(sys.argv[1:]))

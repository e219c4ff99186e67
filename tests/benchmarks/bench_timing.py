"""How well ``bench`` times: it calls noise noise, sees a tenth, agrees with the runtime's own clock, wastes little time.

``python tests/benchmarks/bench_timing.py`` measures every row, ``... bench_timing.py aa truth profile overhead`` some;
``--times N`` repeats the first two N times. Exits 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from bench_models import network
from bench_table import Row, table
from onnx import helper, numpy_helper

from compress_onnx.compare.timing import Sweep, bench_models, time_files
from compress_onnx.model.files import save_model
from compress_onnx.options.declared import DURATION, ROUNDS
from compress_onnx.records.latency import LatencyComparison
from compress_onnx.runtime.bench.latency import LatencyPlan, start_here
from compress_onnx.runtime.bench.noise_warnings import machine_warnings

PLAN = LatencyPlan(rounds=ROUNDS.default, duration_s=DURATION.default)
DEFAULTS = Sweep(threads=(1,), batches=(1,), plan=PLAN)
TIMES = 20
SLOWER_BY = 0.10
_SIZE = 64


def written(name: str, folder: Path) -> Path:
    """Write a network with random weights and return its file."""
    path = folder / f"{name}.onnx"
    if not path.exists():
        save_model(network(name), path)
    return path


def compared(first: Path, second: Path, seed: int) -> LatencyComparison:
    """Return what ``bench`` finds at default settings."""
    (found,) = time_files([first, second], DEFAULTS, seed=seed)
    told = f"{found.speedup.value:.4f}, floor {_floor(found):.4f}, significant: {found.significant}"
    print(told, file=sys.stderr, flush=True)  # noqa: T201  # a sign of life
    return found


def _floor(found: LatencyComparison) -> float:
    """Return the noise floor, which the default number of rounds always gives."""
    assert found.noise_floor is not None
    assert found.noise_floor.value is not None
    return found.noise_floor.value


def aa_row(folder: Path, times: int) -> Row:
    """Return how often two copies of one file are told apart."""
    first = written("squeezenet", folder)
    second = folder / "copy.onnx"
    second.write_bytes(first.read_bytes())
    found = [compared(first, second, seed) for seed in range(times)]
    wrong = sum(bool(one.significant) for one in found)
    return Row(
        figure=f"A/A: significant verdicts in {times} repetitions, two copies of SqueezeNet",
        bar=times / TIMES,
        reach="at most",
        ours=_median_ratio(found),
        value=float(wrong),
    )


def truth_row(folder: Path, times: int) -> Row:
    """Return how often a file is told from itself plus a slow node of about a tenth."""
    first = written("squeezenet", folder)
    second = slowed(first, folder / "slowed.onnx")
    found = [compared(first, second, 1000 + seed) for seed in range(times)]
    right = sum(bool(one.significant) and (one.speedup.value or 1.0) < 1 for one in found)
    return Row(
        figure=f"known truth: SqueezeNet plus a slow node, detected in {times} repetitions",
        bar=times * (TIMES - 1) / TIMES,
        reach="at least",
        ours=_median_ratio(found),
        value=float(right),
    )


def _median_ratio(found: list[LatencyComparison]) -> str:
    floor = np.median([_floor(one) for one in found])
    return f"median ratio {np.median([one.speedup.value for one in found]):.3f}, floor {floor:.3f}"


def slowed(source: Path, target: Path) -> Path:
    """Write a file with products of square matrices before its logits that take about a tenth of a call.

    The number of products is chosen by timing both files; the logits stay the same, since the products are weighed
    with zero.
    """
    products = 1
    for _ in range(4):
        save_model(with_products(onnx.load(source), products), target)
        spent = 1 / _quick(source, target) - 1
        wanted = max(1, round(products * SLOWER_BY / max(spent, SLOWER_BY / 50)))
        if abs(spent / SLOWER_BY - 1) < 0.15 or wanted == products:
            break
        products = wanted
    return target


def _quick(first: Path, second: Path) -> float:
    plan = LatencyPlan(rounds=6, duration_s=1.2)
    (found,) = time_files([first, second], Sweep(threads=(1,), batches=(1,), plan=plan), seed=0)
    return found.speedup.value or 1.0


def with_products(model: onnx.ModelProto, products: int) -> onnx.ModelProto:
    """Return the model with a chain of matrix products between its logits and its output."""
    graph = model.graph
    output = graph.output[0].name
    for node in graph.node:
        node.output[:] = ["slow_before" if name == output else name for name in node.output]
    nodes = [
        helper.make_node("ReduceMean", ["slow_before"], ["slow_mean"], keepdims=1),
        helper.make_node("Reshape", ["slow_mean", "slow_one_by_one"], ["slow_scalar"]),
        helper.make_node("Mul", ["slow_scalar", "slow_square"], ["slow_product_0"]),
    ]
    nodes += [
        helper.make_node("MatMul", [f"slow_product_{place}", "slow_square"], [f"slow_product_{place + 1}"])
        for place in range(products)
    ]
    nodes += [
        helper.make_node("ReduceMean", [f"slow_product_{products}"], ["slow_sum"], keepdims=0),
        helper.make_node("Mul", ["slow_sum", "slow_nothing"], ["slow_zero"]),
        helper.make_node("Add", ["slow_before", "slow_zero"], [output]),
    ]
    constants = {
        "slow_one_by_one": np.array([1, 1], np.int64),
        "slow_square": np.eye(_SIZE, dtype=np.float32),
        "slow_nothing": np.float32(0),
    }
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    return model


def profile_rows(folder: Path) -> Iterator[Row]:
    """Yield how far our p50 lies from ONNX Runtime's own timing of the same calls."""
    for name in ("squeezenet", "resnet18"):
        ours, theirs = both_clocks(written(name, folder), folder)
        yield Row(
            figure=f"p50 against ONNX Runtime's profile of the same calls, distance, {name}",
            bar=0.05,
            reach="at most",
            ours=f"{ours:.4f} ms",
            reference=f"{theirs:.4f} ms",
            value=abs(ours / theirs - 1),
        )


def both_clocks(path: Path, folder: Path, parts: int = 7, calls: int = 100) -> tuple[float, float]:
    """Return p50 in ms by our clock and by the profile's ``model_run`` events, of the same calls.

    Of several parts, the one whose distance is the median: two peaks of a busy machine move a median by chance.
    """
    images = np.random.default_rng(0).standard_normal((1, 3, 32, 32), dtype=np.float32)
    with start_here() as worker:
        facts = worker.load(path, affinity=list(PLAN.setting().cores), profile=str(folder / "profile"))
        worker.ask("time", {facts["inputs"][0][0]: images}, calls=10)
        _, spent = worker.ask("time", calls=parts * calls)
        _, found = worker.ask("profile")
    events = json.loads(found["profile"].tobytes())
    told = [event["dur"] for event in events if event["name"] == "model_run"][-parts * calls :]
    ours = np.median(spent["values"].reshape(parts, calls), axis=1) / 1e6
    theirs = np.median(np.reshape(told, (parts, calls)), axis=1) / 1e3
    middle = int(np.argsort(np.abs(ours / theirs - 1))[parts // 2])
    return float(ours[middle]), float(theirs[middle])


def overhead_row(folder: Path) -> Row:
    """Return the share of the wall time of ``bench`` for three models that is no timed call."""
    paths = [written(name, folder) for name in ("resnet18", "squeezenet", "lenet5")]
    begin = time.perf_counter()
    found = bench_models(paths, DEFAULTS, seed=0).latency
    wall = time.perf_counter() - begin
    first = found[0]
    again = sum(first.repeat_ms) * len(first.baseline.values_ms) / first.rounds
    timed = sum(sum(run.values_ms) for run in (first.baseline, *(one.candidate for one in found))) + again
    return Row(
        figure="bench: share of the wall time outside timed calls, ResNet-18, SqueezeNet and LeNet-5, defaults",
        bar=0.40,
        reach="at most",
        ours=f"{timed / 1000:.1f} of {wall:.1f} s timed",
        value=1 - timed / 1000 / wall,
    )


def rows(folder: Path, wanted: list[str], times: int) -> Iterator[Row]:
    """Yield the rows asked for."""
    makers: dict[str, Callable[[], Iterator[Row]]] = {
        "profile": functools.partial(profile_rows, folder),
        "overhead": lambda: iter([overhead_row(folder)]),
        "truth": lambda: iter([truth_row(folder, times)]),
        "aa": lambda: iter([aa_row(folder, times)]),
    }
    for name, make in makers.items():
        if not wanted or name in wanted:
            yield from make()


def main() -> int:
    """Print the table; the exit code is 1 if a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("rows", nargs="*", choices=["aa", "truth", "profile", "overhead", []], help="all by default")
    parser.add_argument("--times", type=int, default=TIMES, help="repetitions of aa and truth")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    warnings = machine_warnings(1)
    with tempfile.TemporaryDirectory(prefix="compress-onnx-bench-") as folder:
        measured = list(rows(Path(folder), asked.rows, asked.times))
    print(table(measured))  # noqa: T201  # the table is the output
    for warning in warnings:
        print(f"warning: {warning}")  # noqa: T201  # see above
    return int(any(row.passed is False for row in measured))


if __name__ == "__main__":
    sys.exit(main())

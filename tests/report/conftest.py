"""Synthetic runs: consistent records, samples and pictures of any size, with any part left out."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from compress_onnx.records.artifacts import (
    Artifact,
    CalibrationInfo,
    DatasetInfo,
    Environment,
    FloatNode,
    Footprint,
    FusionReceipt,
    Precision,
    Preprocessing,
    RecipeStep,
)
from compress_onnx.records.base import SCHEMA_VERSION, Better, Interval, Measure
from compress_onnx.records.latency import LatencyComparison, LatencyRun
from compress_onnx.records.outputs import (
    AccuracyChange,
    ChangedConfusion,
    ClassPattern,
    ClassResult,
    ConfidenceShift,
    ConformalSets,
    ConfusionChange,
    FlipSummary,
    Histogram,
    OutputDivergence,
    ReliabilityBin,
    TemperatureRepair,
    UncertaintyShift,
)
from compress_onnx.records.run import Comparison, PredictionRun, RunRecord
from compress_onnx.records.saliency import (
    ClassSaliency,
    SaliencyGroup,
    SaliencyMaps,
    SaliencyScale,
    SaliencyShift,
    ShiftVerdict,
    SystematicShift,
    TwinFidelity,
)
from compress_onnx.records.verdict import GateCheck, Outcome, Verdict
from compress_onnx.report.kit.pictures import map_png, png
from compress_onnx.report.kit.source import ReportInput

FILES = ((44_700_000, 41_200_000), (11_300_000, 9_800_000), (5_700_000, 4_900_000), (11_300_000, 4_100_000))
NAMES = ("w8a8", "w4a8", "pruned50-w8a8", "pruned90")


def fraction(value: float, half: float, *, n: int = 1000, better: Better = Better.HIGHER) -> Measure:
    interval = Interval(low=value - half, high=value + half, level=0.95, method="made up")
    return Measure(value=value, unit="fraction", better=better, n=n, interval=interval)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunFactory:
    """Makes one run; every random choice comes from ``seed``."""

    class_names: tuple[str, ...] = tuple(f"class {index}" for index in range(10))
    candidates: tuple[str, ...] = NAMES
    n: int = 600
    flips: int = 40
    seed: int = 0

    def samples(self) -> dict[str, np.ndarray[Any, Any]]:
        parts = [self._of_candidate(index, name) for index, name in enumerate(self.candidates)]
        return {column: np.concatenate([part[column] for part in parts]) for column in parts[0]}

    def _of_candidate(self, index: int, name: str) -> dict[str, np.ndarray[Any, Any]]:
        rng, n, classes = np.random.default_rng(self.seed), self.n, len(self.class_names)
        label = rng.integers(classes, size=n)
        before = np.where(rng.random(n) < 0.95, label, rng.integers(classes, size=n))
        own = np.random.default_rng([self.seed, index])
        after = before.copy()
        moved = own.choice(n, size=min(self.flips, n), replace=False)
        after[moved] = own.integers(classes, size=moved.size)
        if index % 2:
            after[moved[: moved.size // 2]] = 0
        confidence = rng.beta(9, 0.5, size=n)
        confidence[moved] = own.uniform(0.3, 0.95, size=moved.size)
        changed = np.clip(confidence + own.normal(-0.01 * (index + 1), 0.04, n), 0.1, 1.0)
        deviation = own.gamma(4, 0.006 * (index + 1), n)
        deviation[moved] *= 1.6
        return {
            "sample_id": np.array([f"gtsrb/test/{i:05d}" for i in range(n)]),
            "candidate": np.full(n, name),
            "label": label.astype(np.int64),
            "baseline_class": before.astype(np.int64),
            "candidate_class": after.astype(np.int64),
            "baseline_confidence": confidence.astype(np.float32),
            "candidate_confidence": changed.astype(np.float32),
            "baseline_margin": confidence.astype(np.float32),
            "candidate_margin": changed.astype(np.float32),
            "flip_kind": _kinds(label, before, after),
            "saliency_deviation": np.where(np.arange(n) % 3 == 0, np.nan, deviation).astype(np.float32),
        }

    def record(self, **changes: Any) -> RunRecord:
        columns = self.samples()
        comparisons = tuple(self._comparison(index, name, columns) for index, name in enumerate(self.candidates))
        made = RunRecord(
            schema_version=SCHEMA_VERSION,
            run_id="2026-01-02-resnet18",
            started_at="2026-01-02T03:04:05Z",
            command=("compress-onnx", "compare", "base line.onnx", *(f"{name}.onnx" for name in self.candidates)),
            config={"seed": 0, "method": "minmax", "threads": 1},
            environment=_environment(),
            dataset=DatasetInfo(name="gtsrb", split="test", n=self.n, class_names=self.class_names, sha256="d" * 64),
            preprocessing=Preprocessing(height=32, width=32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)),
            calibration=CalibrationInfo(manifest="gtsrb-512", n=512, seed=0, sha256="c" * 64),
            artifacts=tuple(_artifact(index, name) for index, name in enumerate(("resnet18", *self.candidates))),
            comparisons=comparisons,
            verdict=_verdict(self.candidates),
            predicted=(
                PredictionRun(name="resnet18", batch=None, threads=None, seconds=0.01),
                *(PredictionRun(name=name, batch=16, threads=2, seconds=3.7) for name in self.candidates),
            ),
        )
        return dataclasses.replace(made, **changes)

    def _comparison(self, index: int, name: str, columns: Mapping[str, np.ndarray[Any, Any]]) -> Comparison:
        own = {column: values[columns["candidate"] == name] for column, values in columns.items()}
        accuracy = [float(np.mean(own[side] == own["label"])) for side in ("baseline_class", "candidate_class")]
        return Comparison(
            baseline_sha256=_sha(0),
            candidate_sha256=_sha(index + 1),
            candidate_name=name,
            accuracy=AccuracyChange(
                baseline=fraction(accuracy[0], 0.01),
                candidate=fraction(accuracy[1], 0.01),
                change=fraction(accuracy[1] - accuracy[0], 0.008 * (index + 1)),
                top5_baseline=fraction(0.992, 0.002),
                top5_candidate=fraction(0.987, 0.002),
                top5_change=fraction(-0.005, 0.003),
            ),
            flips=_flip_summary(own),
            classes=_classes(self.class_names, own),
            confusion=_confusion(own, self.class_names),
            confidence=_confidence(own),
            saliency=_saliency(own),
            latency=_latency(index),
            footprint_baseline=_footprint(0),
            footprint_candidate=_footprint(index + 1),
            fusion=_fusion(index),
            extra={"agreement_of_plugin": Measure(value=0.0123, unit="nats", better=Better.LOWER, n=self.n)},
            class_pattern=ClassPattern(
                spread=fraction(0.0225, 0.004, better=Better.LOWER),
                p_value=Measure(value=0.001, unit="p-value", better=Better.NEITHER, n=self.n),
                statistic=459.1,
                n_classes=len(self.class_names),
                permutations=999,
            ),
            divergence=_divergence(self.n),
            uncertainty=_uncertainty(self.class_names[0]),
        )

    def pictures(self) -> dict[str, bytes]:
        columns, made = self.samples(), _pictures()
        changed = columns["baseline_class"] != columns["candidate_class"]
        samples = dict.fromkeys(map(str, columns["sample_id"][changed]))
        return {sample: made[place % len(made)] for place, sample in enumerate(samples)}

    def maps(self) -> dict[tuple[str, str], bytes]:
        made = _saliency_pictures()
        pairs = itertools.product(self.pictures(), ("resnet18", *self.candidates))
        return {pair: made[place % len(made)] for place, pair in enumerate(pairs)}

    def input(self, **changes: Any) -> ReportInput:
        return ReportInput(record=self.record(**changes), samples=self.samples(), pictures=self.pictures())


def _kinds(label: Any, before: Any, after: Any) -> np.ndarray[Any, Any]:
    kinds = np.where(before == label, "negative", np.where(after == label, "positive", "lateral"))
    return np.where(before == after, "same", kinds)


def _sha(index: int) -> str:
    return f"{index}abc" * 16


def _environment() -> Environment:
    return Environment(
        python="3.11.7",
        system="Linux 6.1",
        packages={"numpy": "2.4.6", "onnxruntime": "1.32.0"},
        cpu_model="An x86-64 CPU at 2.10 GHz",
        cpu_features=("avx2", "avx512_vnni"),
        cpu_saturates=False,
        cpu_target="x86-64-vnni",
        cores=2,
    )


def _artifact(index: int, name: str) -> Artifact:
    print_ = _footprint(index)
    precision = (Precision.FP32, Precision.W8A8, Precision.W4A8, Precision.W8A8, Precision.FP32)[index % 5]
    return Artifact(
        name=name,
        path=f"models/{name}.onnx",
        sha256=_sha(index),
        precision=precision,
        sparsity=1 - print_.nonzero_weights / print_.weights,
        opset=21,
        file_bytes=print_.file_bytes,
        zip_bytes=print_.zip_bytes,
        weights=print_.weights,
        nonzero_weights=print_.nonzero_weights,
        parent_sha256=_sha(0) if index else None,
        recipe=(RecipeStep(name="quantize", options={"weights": "int8", "method": "minmax"}, seconds=4.2),)
        * (index > 0),
    )


def _footprint(index: int) -> Footprint:
    file_bytes, zip_bytes = FILES[index % len(FILES)]
    nonzero = (11_000_000, 10_900_000, 10_100_000, 5_500_000, 1_100_000)[index % 5]
    return Footprint(file_bytes=file_bytes, zip_bytes=zip_bytes, weights=11_000_000, nonzero_weights=nonzero)


def _flip_summary(own: Mapping[str, Any]) -> FlipSummary:
    n = len(own["label"])
    number = {kind: int(np.sum(own["flip_kind"] == kind)) for kind in ("negative", "positive", "lateral")}
    total = sum(number.values())
    p_value = Measure(value=0.01, unit="p", better=Better.NEITHER, n=n)
    return FlipSummary(
        n=n,
        flips=total,
        rate=fraction(total / n, 0.006, n=n, better=Better.LOWER),
        mcnemar_p=p_value,
        **number,
        **{f"{kind}_rate": fraction(count / n, 0.004, n=n, better=Better.LOWER) for kind, count in number.items()},
    )


def _classes(names: tuple[str, ...], own: Mapping[str, Any]) -> tuple[ClassResult, ...]:
    results = []
    for index, name in enumerate(names):
        here = own["label"] == index
        if not np.any(here):
            none = Measure(value=None, unit="fraction", better=Better.HIGHER, n=0, undefined_reason="no such images")
            results.append(_class(name, 0, (none, none, none)))
            continue
        recall = [float(np.mean(own[side][here] == index)) for side in ("baseline_class", "candidate_class")]
        half = 0.5 / np.sqrt(here.sum())
        change = fraction(recall[1] - recall[0], float(half))
        sides = (fraction(recall[0], 0.02), fraction(recall[1], 0.02), change)
        results.append(_class(name, int(here.sum()), sides))
    return tuple(results)


def _class(name: str, support: int, measures: tuple[Measure, Measure, Measure]) -> ClassResult:
    change = measures[2].value
    p_value = None if change is None else max(0.0004, 0.5 - 6 * abs(change))
    return ClassResult(
        class_name=name,
        support=support,
        recall_baseline=measures[0],
        recall_candidate=measures[1],
        change=measures[2],
        p_value=p_value,
        p_holm=None if p_value is None else min(1.0, 4 * p_value),
        lost=None if change is None else round(max(0.0, -change) * support) + 1,
        won=None if change is None else round(max(0.0, change) * support) + 1,
        p_benjamini_hochberg=None if p_value is None else min(1.0, 2 * p_value),
        detectable_loss=Measure(value=0.048, unit="fraction", better=Better.LOWER, n=support)
        if support > 5
        else Measure(
            value=None, unit="fraction", better=Better.LOWER, n=support, undefined_reason="too few images for any loss"
        ),
    )


def _confusion(own: Mapping[str, Any], names: tuple[str, ...]) -> ConfusionChange:
    cells: dict[tuple[int, int], list[int]] = {}
    for number, side in enumerate(("baseline_class", "candidate_class")):
        for cell in zip(own["label"].tolist(), own[side].tolist(), strict=True):
            cells.setdefault(cell, [0, 0])[number] += 1
    filled = sorted((*cell, *counts) for cell, counts in cells.items())
    columns = zip(*filled, strict=True)
    moved = [(a, b, x, y) for a, b, x, y in filled if a != b and x != y]
    moved.sort(key=lambda cell: -abs(cell[3] - cell[2]))
    return ConfusionChange(
        **dict(zip(("true_class", "predicted_class", "baseline", "candidate"), columns, strict=True)),
        most_changed=tuple(
            ChangedConfusion(true_class=names[a], predicted_class=names[b], baseline=x, candidate=y)
            for a, b, x, y in moved[:20]
        ),
    )


def _divergence(n: int) -> OutputDivergence:
    interval = Interval(low=0.0103, high=0.0119, level=0.95, method="made up")
    nats = Measure(value=0.0111, unit="nats", better=Better.LOWER, n=n, interval=interval)
    logits = Measure(value=1.068, unit="logits", better=Better.LOWER, n=n)
    return OutputDivergence(
        jensen_shannon=nats,
        kullback_leibler=nats,
        logit_mean_absolute_error=logits,
        logit_rms_error=logits,
        logit_max_error=logits,
        logit_signal_to_noise=Measure(value=16.83, unit="dB", better=Better.HIGHER, n=n),
    )


def _uncertainty(worst: str) -> UncertaintyShift:
    size = Measure(value=0.913, unit="classes", better=Better.LOWER, n=300)
    temperature = Measure(value=1.45, unit="ratio", better=Better.NEITHER, n=300)
    error = Measure(value=0.0155, unit="fraction", better=Better.LOWER, n=300)
    return UncertaintyShift(
        seed=0,
        calibration_n=300,
        evaluation_n=300,
        sets=ConformalSets(
            level=0.9,
            threshold=0.91,
            coverage_baseline=fraction(0.902, 0.008),
            coverage_candidate=fraction(0.884, 0.008),
            coverage_change=fraction(-0.018, 0.005),
            size_baseline=size,
            size_candidate=size,
            size_change=dataclasses.replace(size, value=-0.014),
            worst_class=worst,
            worst_coverage_baseline=fraction(0.5, 0.1),
            worst_coverage_candidate=fraction(0.48, 0.1),
            worst_size_baseline=size,
            worst_size_candidate=size,
        ),
        temperature=TemperatureRepair(
            temperature_baseline=temperature,
            temperature_candidate=dataclasses.replace(temperature, value=1.53),
            ece_baseline=error,
            ece_candidate=error,
            repaired_ece_baseline=error,
            repaired_ece_candidate=error,
        ),
    )


def _confidence(own: Mapping[str, Any]) -> ConfidenceShift:
    change = own["candidate_confidence"].astype(float) - own["baseline_confidence"]
    counts, edges = np.histogram(change, np.linspace(-1, 1, 81))
    changed = own["baseline_class"] != own["candidate_class"]
    nll = Measure(value=0.1512, unit="nats", better=Better.LOWER, n=len(change))
    means = {
        f"mean_{side}": fraction(float(own[f"{side}_confidence"].mean()), 0.004) for side in ("baseline", "candidate")
    }
    return ConfidenceShift(
        **means,
        change_all=fraction(float(change.mean()), 0.002, n=change.size, better=Better.NEITHER),
        change_same=fraction(float(change[~changed].mean()), 0.002, n=int((~changed).sum()), better=Better.NEITHER),
        change_flipped=fraction(float(change[changed].mean()), 0.01, n=int(changed.sum()), better=Better.NEITHER)
        if changed.any()
        else Measure(value=None, unit="fraction", better=Better.NEITHER, n=0, undefined_reason="no flips"),
        ece_baseline=fraction(0.0123, 0.002, better=Better.LOWER),
        ece_candidate=fraction(0.0211, 0.002, better=Better.LOWER),
        nll_baseline=nll,
        nll_candidate=dataclasses.replace(nll, value=0.1733),
        ece_change=fraction(0.0088, 0.003, better=Better.LOWER),
        nll_change=dataclasses.replace(
            nll, value=0.0221, interval=Interval(low=0.01, high=0.03, level=0.95, method="t")
        ),
        brier_baseline=fraction(0.071, 0.003, better=Better.LOWER),
        brier_candidate=fraction(0.083, 0.003, better=Better.LOWER),
        brier_change=fraction(0.012, 0.004, better=Better.LOWER),
        change_histogram=Histogram(edges=tuple(map(float, edges)), counts=tuple(map(int, counts))),
        reliability_baseline=_bins(own, "baseline"),
        reliability_candidate=_bins(own, "candidate"),
    )


def _bins(own: Mapping[str, Any], side: str) -> tuple[ReliabilityBin, ...]:
    right, sure = own[f"{side}_class"] == own["label"], own[f"{side}_confidence"].astype(float)
    bins = []
    for low in np.linspace(0, 0.9, 10):
        here = (sure >= low) & (sure < low + 0.1)
        mean = (float(sure[here].mean()), float(right[here].mean())) if here.any() else (None, None)
        bins.append(
            ReliabilityBin(
                low=float(low), high=float(low + 0.1), n=int(here.sum()), mean_confidence=mean[0], accuracy=mean[1]
            )
        )
    return tuple(bins)


def _saliency(own: Mapping[str, Any]) -> SaliencyShift:
    value = float(np.nanmean(own["saliency_deviation"]))
    fidelity = TwinFidelity(n=500, top1_agreement=1.0, max_abs_logit_diff=2e-5, accepted=True)

    def group(scale: float) -> SaliencyGroup:
        one = Measure(value=value * scale, unit="fraction", better=Better.LOWER, n=400)
        other = Measure(value=0.91, unit="correlation", better=Better.HIGHER, n=400)
        return SaliencyGroup(n=400, mean_absolute_deviation=one, spearman=other, top_k_overlap=other, ssim=other)

    return SaliencyShift(
        method="gradient",
        target="baseline class",
        n=400,
        fidelity_baseline=fidelity,
        fidelity_candidate=fidelity,
        over_all=group(1.0),
        over_same=group(0.97),
        over_flipped=group(1.6),
        noise_floor=0.012,
        randomized_ceiling=0.171,
    )


def _latency(index: int) -> LatencyComparison:
    rng = np.random.default_rng(index)
    center = (1.45, 1.43, 1.46, 6.38)[index % 4]
    speedup = Interval(low=6.4 / center - 0.06, high=6.4 / center + 0.06, level=0.95, method="bootstrap")
    return LatencyComparison(
        threads=1,
        batch=1,
        rounds=10,
        baseline=_run(6.4 * np.exp(rng.gamma(1.2, 0.02, 500))),
        candidate=_run(center * np.exp(rng.gamma(1.2, 0.03, 500))),
        speedup=Measure(value=6.4 / center, unit="ratio", better=Better.HIGHER, n=500, interval=speedup),
        warnings=("rounds differ by 6 %: the machine was not quiet",) if index == 1 else (),
        cores=(1,),
        noise_floor=Measure(value=0.013, unit="fraction", better=Better.LOWER, n=10),
        significant=index != 3,
    )


def _run(values: Any) -> LatencyRun:
    def quantile(level: int) -> Measure:
        return Measure(value=float(np.percentile(values, level)), unit="ms", better=Better.LOWER, n=len(values))

    few = Measure(value=None, unit="ms", better=Better.LOWER, n=50, undefined_reason="fewer than 1,000 calls")
    return LatencyRun(
        values_ms=tuple(map(float, values)),
        warmup_ms=(9.0, 7.0),
        load_ms=31.2,
        p50_ms=quantile(50),
        p90_ms=quantile(90),
        p99_ms=few,
    )


def _fusion(index: int) -> FusionReceipt | None:
    if index == 3:
        return None
    nodes = (FloatNode(op="GlobalAveragePool", name="/avgpool", reason="its input was left unquantized"),)
    return FusionReceipt(quantized_nodes=21, float_nodes=nodes, stray_qdq=index, int8_fraction=21 / 22)


def _verdict(candidates: tuple[str, ...]) -> Verdict:
    interval = Interval(low=-0.021, high=-0.011, level=0.95, method="Newcombe")
    outcomes = (Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.PASS, Outcome.FAIL)
    checks = tuple(
        GateCheck(
            rule="accuracy.change at_least -0.01",
            candidate=name,
            observed=-0.016,
            interval=interval,
            outcome=outcomes[index % 4],
            reason="the whole interval lies below -0.01" if index == 3 else "the bound lies inside its interval",
            samples_needed=24_000 if index == 1 else None,
        )
        for index, name in enumerate(candidates)
    )
    return Verdict(outcome=Outcome.FAIL, policy_sha256="9" * 64, checks=checks)


@functools.cache
def _pictures() -> list[bytes]:
    """A few pictures that all samples share: making one for each would take most of the tests' time."""
    rng = np.random.default_rng(0)
    return [_picture(rng) for _ in range(61)]


@functools.cache
def _saliency_pictures() -> list[bytes]:
    rng = np.random.default_rng(0)
    return [_saliency_picture(rng) for _ in range(67)]


def _picture(rng: np.random.Generator) -> bytes:
    rows, columns = np.mgrid[0:32, 0:32]
    middle, color = rng.uniform(12, 20, 2), rng.integers(60, 255, 3)
    disc = ((rows - middle[0]) ** 2 + (columns - middle[1]) ** 2) < rng.uniform(60, 150)
    back = rng.integers(40, 160, 3) + rng.normal(0, 8, (32, 32, 1))
    return png(np.clip(np.where(disc[..., None], color, back), 0, 255).astype(np.uint8))


def _saliency_picture(rng: np.random.Generator) -> bytes:
    rows, columns = np.mgrid[0:32, 0:32]
    middle = rng.uniform(8, 24, 2)
    hill = np.exp(-((rows - middle[0]) ** 2 + (columns - middle[1]) ** 2) / 60)
    return map_png(hill + rng.random((32, 32)) * 0.3)


@pytest.fixture
def run() -> RunFactory:
    return RunFactory()


@pytest.fixture(scope="session")
def run_factory() -> type[RunFactory]:
    """For what is made once and looked at by many tests."""
    return RunFactory


@pytest.fixture
def make_run() -> Callable[..., RunFactory]:
    return RunFactory


def _saliency_measure(value: float, *, spread: float = 0.01) -> Measure:
    interval = Interval(low=value - spread, high=value + spread, level=0.95, method="BCa")
    return Measure(value=value, unit="fraction", better=Better.LOWER, n=400, interval=interval)


def _systematic(verdict: ShiftVerdict = ShiftVerdict.NEGLIGIBLE, classes: int = 12) -> SystematicShift:
    return SystematicShift(
        verdict=verdict,
        n=400,
        p_value=0.001,
        permutations=999,
        cell_px=1,
        significant_fraction=_saliency_measure(0.15),
        effect=_saliency_measure(0.07),
        explained=_saliency_measure(0.003),
        largest_effect=0.21,
        classes=tuple(
            ClassSaliency(
                class_name=f"<class {i}>",
                n=30,
                mean_absolute_deviation=_saliency_measure(0.02),
                effect=None if i == 0 else i / 100,
                p_value=None if i == 0 else 0.0005,
                q_value=None if i == 0 else 0.02 if i == 5 else 0.5,
            )
            for i in range(classes)
        ),
    )


@pytest.fixture
def make_systematic() -> Callable[..., SystematicShift]:
    return _systematic


@pytest.fixture
def shift(run: Any) -> SaliencyShift:
    measured = run.record().comparisons[0].saliency
    group = measured.over_all
    return dataclasses.replace(
        measured,
        floor=group,
        ceiling=group,
        over_flipped=None,
        over_flipped_undefined_reason="no explained sample has another class",
        scale_position=_saliency_measure(0.42),
        scale=SaliencyScale(**{field.name: _saliency_measure(0.3) for field in dataclasses.fields(SaliencyScale)}),
        systematic=_systematic(),
    )


@pytest.fixture
def maps() -> SaliencyMaps:
    rng = np.random.default_rng(0)
    means, pair = rng.random((2, 8, 8)).astype(np.float32), rng.random((2, 2, 8, 8)).astype(np.float32)
    return SaliencyMaps(
        mean_baseline=means[0],
        mean_candidate=means[1],
        mean_difference=means[1] - means[0],
        significant=rng.random((8, 8)) > 0.5,
        example_ids=np.array(["<one>", "two"]),
        example_pixels=rng.integers(0, 256, (2, 8, 8, 3)).astype(np.uint8),
        example_baseline=pair[0],
        example_candidate=pair[1],
        example_deviation=np.array([0.1, 0.2], np.float32),
    )

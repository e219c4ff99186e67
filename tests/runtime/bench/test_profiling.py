from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compress_onnx.records.latency import ExecutionProfile, OperatorTime
from compress_onnx.runtime.bench.latency import LatencyPlan
from compress_onnx.runtime.bench.profiling import kernels_ms, not_faster, profile, profile_of


def kernel(op: str, name: str, dur: int) -> dict[str, Any]:
    return {"cat": "Node", "name": f"{name}_kernel_time", "dur": dur, "args": {"op_name": op}}


def events(calls: list[tuple[int, int, int]]) -> Iterator[dict[str, Any]]:
    """A graph of two Conv and one Relu: their microseconds call by call."""
    yield {"cat": "Session", "name": "session_initialization", "dur": 999}
    for first, second, relu in calls:
        yield kernel("Conv", "c1", first)
        yield kernel("Conv", "c2", second)
        yield kernel("Relu", "r", relu)
        yield {"cat": "Session", "name": "model_run", "dur": first + second + relu + 10}


def made(run_ms: float = 0.1, **operators: tuple[int, float]) -> ExecutionProfile:
    found = [OperatorTime(op=op, nodes=nodes, ms=ms) for op, (nodes, ms) in operators.items()]
    nodes = sum(operator.nodes for operator in found)
    return ExecutionProfile(calls=10, run_ms=run_ms, nodes=nodes, operators=tuple(found))


def test_operators_are_summed_over_their_nodes_slowest_first() -> None:
    found = profile_of(events([(500, 500, 500), (9, 30, 4), (9, 30, 4)]), calls=2)
    # Half a microsecond is what whole ones drop on average.
    assert found.operators == (
        OperatorTime(op="Conv", nodes=2, ms=pytest.approx(0.040)),
        OperatorTime(op="Relu", nodes=1, ms=pytest.approx(0.0045)),
    )
    assert (found.nodes, found.calls, found.run_ms) == (3, 2, pytest.approx(0.0535))


def test_interruptions_do_not_count() -> None:
    calls = [(9, 30, 4)] * 8 + [(9_000, 30, 4), (9, 30, 70_000)]
    assert kernels_ms(profile_of(events(calls), calls=10)) == pytest.approx(0.0445)


def test_a_real_profile_names_what_runs(
    fp32: Path, u8s8: Path, images: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = LatencyPlan()
    found = [profile(path, images[:1], setting=plan.setting(), start=plan.start) for path in (fp32, u8s8)]
    assert {operator.op for operator in found[1].operators} >= {"QuantizeLinear", "QLinearConv"}
    assert not {operator.op for operator in found[0].operators} & {"QuantizeLinear", "QLinearConv"}
    for one in found:
        assert one.nodes == sum(operator.nodes for operator in one.operators)
        assert kernels_ms(one) > 0
    assert not_faster(*found)[0].startswith(f"It runs {found[1].nodes} operators per call")
    assert not list(tmp_path.iterdir())


SMALL = {"Conv": (2, 0.030), "Gemm": (3, 0.012), "Reshape": (1, 0.002)}


def test_small_layers_and_quantizing_at_the_edges_are_named() -> None:
    slower = made(QLinearConv=(2, 0.045), QGemm=(3, 0.014), Reshape=(1, 0.002), QuantizeLinear=(1, 0.007))
    told = " ".join(not_faster(made(**SMALL), slower))
    assert "It runs 7 operators per call, the baseline 6." in told
    assert "take 0.059 ms per call in it and 0.042 ms in the baseline: these layers are too small" in told
    assert "Quantizing and dequantizing at the edges (1 operator) takes 0.007 ms, 10% of the time in operators." in told
    assert "7.3 microseconds on average, and the cheapest, Reshape, still 2.0" in told


def test_gains_that_are_lost_elsewhere_are_named() -> None:
    baseline = made(Conv=(4, 4.0), Relu=(4, 0.4))
    told = not_faster(baseline, made(QLinearConv=(4, 2.0), DequantizeLinear=(8, 3.0)))
    assert any(sentence.endswith("2.000 ms less; everything else takes 2.600 ms more.") for sentence in told)
    assert not any("microseconds" in sentence for sentence in told)


def test_another_network_is_called_that() -> None:
    (told,) = not_faster(made(**SMALL), made(QLinearConv=(26, 0.4), QGemm=(1, 0.1)))
    assert told == (
        "It is another network, not a smaller copy: 27 Conv, Gemm and MatMul operators run per call, in the baseline 5."
    )


def test_the_same_graph_has_one_reason() -> None:
    assert not_faster(made(**SMALL), made(**SMALL)) == (
        "It runs the same 6 operators per call as the baseline, of the same kinds.",
    )


def test_a_graph_of_nothing_is_no_reason_to_fail() -> None:
    assert not_faster(made(), made(**SMALL))
    assert not_faster(made(**SMALL), made())

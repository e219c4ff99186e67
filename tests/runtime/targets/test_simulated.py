"""Simulated CPUs: both kinds of arithmetic on any machine, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.errors import DataError, ModelError, UnknownNameError
from compress_onnx.ort.integer.probe import saturates
from compress_onnx.runtime.bench.latency import LatencyPlan
from compress_onnx.runtime.predict import logits_of
from compress_onnx.runtime.targets import simulated
from compress_onnx.runtime.targets.naming import connect, target_named

CLASSES = {"x86-64-avx2": True, "x86-64-vnni": False, "aarch64": False}
STEP = 192 * 255 * 127 / 250


@pytest.mark.parametrize("cpu", CLASSES)
def test_each_class_adds_in_its_own_way_on_any_machine(cpu: str, model: Path, ones: NDArray[np.float32]) -> None:
    """127 and 255 make pairs of 64,770 that stop at 32,767 where they saturate; 40 and 255 do not."""
    there = connect(target_named(f"simulated:{cpu}"))
    sums = [96 * 32767 if CLASSES[cpu] else 192 * 255 * 127, 192 * 255 * 40]
    expected = np.round(np.array(sums) / STEP) * STEP
    found = there.logits(model, [ones[:2], ones[2:]], threads=1, classes=2)
    np.testing.assert_allclose(found, np.broadcast_to(expected, (5, 2)), rtol=1e-6)


@pytest.mark.parametrize("cpu", CLASSES)
def test_the_environment_is_that_of_the_class_and_says_that_it_is_simulated(cpu: str) -> None:
    there = connect(target_named(f"simulated:{cpu}"))
    assert there.simulated
    found = there.environment
    assert (found.cpu_target, found.cpu_saturates, found.cpu_model) == (cpu, CLASSES[cpu], "simulated")
    assert found.emulator is not None
    assert found.emulator.startswith("the arithmetic of its kernels, on ")
    assert found.cpu_features == ()
    assert "cpu_features" in found.unknown


def test_nothing_is_timed(model: Path, ones: NDArray[np.float32]) -> None:
    there = connect(target_named("simulated:x86-64-avx2"))
    with pytest.raises(DataError, match=r"Expected a real CPU to time, got the arithmetic of its kernels"):
        there.latencies([model], ones, plan=LatencyPlan(), rng=np.random.default_rng(0))


@pytest.mark.parametrize("name", ["simulated:haswell", "simulated:x86-64", "simulated:X86-64-AVX2"])
def test_another_class_is_answered_with_those_known(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"Expected a simulated CPU, got .*aarch64, x86-64-avx2, x86-64-vnni"):
        target_named(name)


def test_a_file_of_one_batch_size_is_filled_up(tmp_path: Path, model: Path, ones: NDArray[np.float32]) -> None:
    fixed = onnx.load(model)
    for value in (fixed.graph.input[0], fixed.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(fixed, tmp_path / "fixed.onnx")
    for cpu in CLASSES:
        there = connect(target_named(f"simulated:{cpu}"))
        expected = there.logits(model, [ones], threads=1, classes=2)
        np.testing.assert_array_equal(there.logits(tmp_path / "fixed.onnx", [ones], threads=1, classes=2), expected)


def unmeasured(path: Path) -> Path:
    """A product of two computed tensors, uint8 by int8."""
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("QuantizeLinear", ["flat", "s", "z"], ["a"]),
        helper.make_node("Transpose", ["flat"], ["turned"], perm=[1, 0]),
        helper.make_node("QuantizeLinear", ["turned", "s", "y"], ["b"]),
        helper.make_node("MatMulInteger", ["a", "b", "z", "y"], ["i"], "product"),
        helper.make_node("Cast", ["i"], ["logits"], to=TensorProto.FLOAT),
    ]
    tensors = {"s": np.float32(0.05), "z": np.uint8(128), "y": np.int8(0)}
    graph = helper.make_graph(
        nodes,
        "computed",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", "n"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_a_kernel_that_was_never_measured_is_named_where_the_cpus_differ(
    tmp_path: Path, ones: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = unmeasured(tmp_path / "computed.onnx")
    for here in (True, False):
        monkeypatch.setattr(simulated, "saturates", lambda here=here: here)
        same = connect(target_named(f"simulated:{'x86-64-avx2' if here else 'x86-64-vnni'}"))
        same.expect_answers(path)
        other = connect(target_named(f"simulated:{'x86-64-vnni' if here else 'x86-64-avx2'}"))
        for refused in (
            lambda there=other: there.expect_answers(path),
            lambda there=other: there.logits(path, [ones], threads=1, classes=5),
        ):
            with pytest.raises(
                ModelError, match=r"got MatMulInteger in node 'product': it cannot be simulated .*computed"
            ):
                refused()


def test_what_was_never_measured_on_another_architecture_is_no_less_unknown_for_adding_alike(
    tmp_path: Path, ones: NDArray[np.float32], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = unmeasured(tmp_path / "computed.onnx")
    monkeypatch.setattr(simulated, "saturates", lambda: False)
    for machine, own, other in (("x86_64", "x86-64-vnni", "aarch64"), ("arm64", "aarch64", "x86-64-vnni")):
        monkeypatch.setattr(simulated.platform, "machine", lambda machine=machine: machine)
        connect(target_named(f"simulated:{own}")).expect_answers(path)
        there = connect(target_named(f"simulated:{other}"))
        there.expect_answers(model)
        for refused in (
            lambda there=there: there.expect_answers(path),
            lambda there=there: there.logits(path, [ones], threads=1, classes=5),
        ):
            with pytest.raises(ModelError, match=rf"on {other} were measured, got MatMulInteger in node 'product'"):
                refused()


@pytest.mark.slow
def test_a_simulated_haswell_answers_what_an_emulated_one_does(
    emulated: str, u8s8: Path, images: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = connect(target_named(emulated)).logits(u8s8, [images], threads=1, classes=5)
    # On a machine of that kind the runtime itself would answer.
    monkeypatch.setattr(simulated, "saturates", lambda: False)
    found = connect(target_named("simulated:x86-64-avx2")).logits(u8s8, [images], threads=1, classes=5)
    assert (expected == found).mean() > 0.95
    assert np.abs(expected - found).max() <= 1.01 * np.diff(np.unique(expected)).min()


@pytest.mark.cpu
def test_the_class_of_this_machine_is_this_machine(u8s8: Path, images: NDArray[np.float32]) -> None:
    from compress_onnx.ort.session import open_session

    own = next(cpu for cpu, saturating in CLASSES.items() if saturating == saturates())
    there: Any = connect(target_named(f"simulated:{own}"))
    here = logits_of(open_session(u8s8), [images])
    np.testing.assert_array_equal(there.logits(u8s8, [images], threads=1, classes=5), here)

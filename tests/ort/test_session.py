"""Sessions: as they would be deployed, silent, and on the cores that were asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from compress_onnx.errors import ModelError, OptionError
from compress_onnx.ort.session import (
    compressing_on,
    fixed_batch,
    image_input,
    open_session,
    quiet_options,
)

Edited = Callable[[Callable[[onnx.ModelProto], None]], Path]


def test_file_and_its_bytes_answer_alike(fp32: Path, images: NDArray[np.float32]) -> None:
    from_file, from_bytes = open_session(fp32), open_session(fp32.read_bytes())
    np.testing.assert_array_equal(from_file.run(None, {"input": images})[0], from_bytes.run(None, {"input": images})[0])


def test_runs_on_the_cpu_with_the_threads_asked_for(fp32: Path) -> None:
    session = open_session(fp32, threads=2)
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert session.get_session_options().intra_op_num_threads == 2


def test_spinning_is_off_only_when_asked(fp32: Path) -> None:
    key = "session.intra_op.allow_spinning"
    assert open_session(fp32, spinning=False).get_session_options().get_session_config_entry(key) == "0"
    # ORT raises for an entry that was never set.
    with pytest.raises(RuntimeError, match="allow_spinning"):
        open_session(fp32).get_session_options().get_session_config_entry(key)


def test_optimizer_can_be_turned_off(fp32: Path, tmp_path: Path) -> None:
    nodes = {}
    for optimized in (True, False):
        file = tmp_path / f"{optimized}.onnx"
        open_session(fp32, optimized=optimized, save_optimized_to=file)
        nodes[optimized] = [node.op_type for node in onnx.load(file).graph.node]
    assert nodes[False] == [node.op_type for node in onnx.load(fp32).graph.node]
    assert len(nodes[True]) < len(nodes[False])


def test_batch_is_fixed_only_where_the_file_says_so(fp32: Path, edited: Edited) -> None:
    def fix(model: onnx.ModelProto) -> None:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = 4

    assert fixed_batch(open_session(fp32)) is None
    assert fixed_batch(open_session(edited(fix))) == 4


def test_threads_below_one_are_refused(fp32: Path) -> None:
    with pytest.raises(OptionError, match="threads at least 1"):
        open_session(fp32, threads=0)


@pytest.mark.parametrize("content", [b"", b"not onnx at all", None], ids=["empty", "text", "truncated"])
def test_broken_file_is_a_model_error(content: bytes | None, fp32: Path, tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(fp32.read_bytes()[:1000] if content is None else content)
    with pytest.raises(ModelError, match=r"(?s)^Expected a model that ONNX Runtime can run, .*broken\.onnx"):
        open_session(path)


@pytest.mark.parametrize(("name", "got"), [("absent.onnx", "no file"), (".", "a folder")])
def test_what_is_no_file_is_a_model_error(name: str, got: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"^Expected an ONNX file, got {got}"):
        open_session(tmp_path / name)


def test_failure_is_one_line_and_nothing_is_printed(edited: Edited, capfd: pytest.CaptureFixture[str]) -> None:
    def raise_ir_version(model: onnx.ModelProto) -> None:
        model.ir_version = 99

    path = edited(raise_ir_version)
    with pytest.raises(ModelError, match="Unsupported model IR version: 99") as caught:
        open_session(path)
    assert "\n" not in str(caught.value)
    assert "onnxruntime_src" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_odd_but_loadable_model_prints_nothing(
    edited: Edited, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def leave_unused_initializer(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(3, np.float32), "unused"))

    # ORT warns of unused initializers, and of hardware-specific graphs that are saved.
    open_session(edited(leave_unused_initializer), save_optimized_to=tmp_path / "optimized.onnx")
    assert capfd.readouterr() == ("", "")


def test_second_input_is_refused(edited: Edited) -> None:
    def add_input(model: onnx.ModelProto) -> None:
        model.graph.input.append(onnx.helper.make_tensor_value_info("b3", onnx.TensorProto.FLOAT, [5]))
        del model.graph.initializer[[tensor.name for tensor in model.graph.initializer].index("b3")]

    with pytest.raises(ModelError, match=r"one image input, got 2 inputs \(some file\)"):
        image_input(open_session(edited(add_input)), where="some file")


def test_package_does_not_import_the_runtime() -> None:
    code = "import sys, compress_onnx.runtime; sys.exit('onnxruntime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_sessions_take_every_core_unless_others_keep_them_busy() -> None:
    assert quiet_options().intra_op_num_threads == 0
    with compressing_on(3):
        with compressing_on(1):
            assert quiet_options().intra_op_num_threads == 1
        assert quiet_options().intra_op_num_threads == 3
    with pytest.raises(KeyError), compressing_on(2):
        raise KeyError
    assert quiet_options().intra_op_num_threads == 0

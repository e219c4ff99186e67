"""The door to ONNX Runtime: every session of this process is opened here, on the CPU and silent.

Those of worker processes are opened in :mod:`compress_onnx.runtime.workers.service`, which runs without this package.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path

import onnx
import onnxruntime as ort

from compress_onnx.errors import ModelError
from compress_onnx.model import Model, WholeModel, whole_model
from compress_onnx.options import THREADS
from compress_onnx.ort.failures import runtime_failures

_FATAL = 4


def open_session(
    model: Path | Model | WholeModel | bytes,
    *,
    threads: int = THREADS.default,
    spinning: bool = True,
    optimized: bool = True,
    save_optimized_to: Path | None = None,
) -> ort.InferenceSession:
    """Load a model for the CPU as it would be deployed.

    ``model`` is a file, a model, what was read of a file, or a serialized model. A file is read once, its data
    files too, and what the session holds does not change with it. ``threads`` are intra-op threads;
    operators run one after another. ``spinning`` lets idle threads wait busily, ORT's default. ``optimized`` turns
    all graph optimizations on, ORT's default, or all off. ``save_optimized_to`` names a file that
    receives the graph ORT made.

    Errors
    ------
    ModelError
        if the file or its data is missing or ORT cannot load it.
    OptionError
        if ``threads`` is out of bounds.
    """
    options = _options(THREADS.check(threads), spinning=spinning, optimized=optimized)
    if save_optimized_to is not None:
        options.optimized_model_filepath = str(save_optimized_to)
    # The default logger speaks of unknown CPUs; a report on stdout or stderr must not be mixed with it.
    ort.set_default_logger_severity(_FATAL)
    source = model.whole if isinstance(model, Model) else model
    source = whole_model(source) if isinstance(source, Path) else source
    content, where = (source, "") if isinstance(source, bytes) else (source.serialized(), str(source.path))
    with runtime_failures(where):
        return _session(content, options)


def _session(model: bytes | str, options: ort.SessionOptions, without: Sequence[str] = ()) -> ort.InferenceSession:
    # The fallback prints on stdout and retries the same provider.
    more = {"disabled_optimizers": [*without]} if without else {}
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"], enable_fallback=0, **more)


def fused_model(model: onnx.ModelProto, *, where: object = "") -> onnx.ModelProto:
    """Return what ORT makes of a model before it lays it out for one kind of CPU.

    Q/DQ nodes have become the integer operators that run; channels still stand where the file has
    them. It is read and run, never kept: it holds operators of ORT's own domains.

    Errors
    ------
    ModelError
        if ORT cannot load the model.
    """
    with tempfile.TemporaryDirectory(prefix="compress-onnx-") as folder:
        file = Path(folder) / "fused.onnx"
        options = _options(1, spinning=False, optimized=True)
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(file)
        ort.set_default_logger_severity(_FATAL)
        with runtime_failures(where):
            _session(model.SerializeToString(), options)
        return onnx.load(file)


def _options(threads: int, *, spinning: bool, optimized: bool) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _FATAL
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    if not spinning:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def image_input(session: ort.InferenceSession, *, where: object = "") -> ort.NodeArg:
    """Return the one input of a classifier: name, type and shape.

    Errors
    ------
    ModelError
        if the model has no input or several.
    """
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise ModelError(
            "a model with one image input", f"{len(inputs)} inputs", where=where, remedy="Export it with one input."
        )
    return inputs[0]


def fixed_batch(session: ort.InferenceSession) -> int | None:
    """Return the only batch size the model takes, or ``None`` where any goes."""
    first = image_input(session).shape[:1]
    return first[0] if first and isinstance(first[0], int) else None


# ONNX Runtime's own default, 0, is every core: right where one model is compressed at a time.
_threads: ContextVar[int] = ContextVar("threads", default=0)


@contextlib.contextmanager
def compressing_on(threads: int) -> Iterator[None]:
    """Let the sessions opened within the block run on so many threads, where others keep the other cores busy."""
    token = _threads.set(threads)
    try:
        yield
    finally:
        _threads.reset(token)


def quiet_options(*, optimized: bool = True) -> ort.SessionOptions:
    """Return options for a session that reports failures alone, and runs on as many threads as were asked for."""
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = _threads.get()
    if not optimized:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options

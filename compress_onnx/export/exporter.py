"""A trained module becomes a clean ONNX graph: dynamic batch, BatchNorm kept, nothing leaked."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import numpy as np
import onnx
import onnx_ir as ir
import torch
from onnx_ir.passes import Sequential
from onnx_ir.passes import common as passes
from onnxscript import optimizer

from compress_onnx.errors import ModelError
from compress_onnx.model import Embedded, signature_of, write_embedded
from compress_onnx.records import Preprocessing, RecipeStep

# 21 is the first opset whose DequantizeLinear takes INT4 weights.
OPSET = 21
INPUT = "input"
OUTPUT = "logits"
PRODUCER = "compress-onnx"


def export_module(
    module: torch.nn.Module,
    preprocessing: Preprocessing,
    class_names: tuple[str, ...],
    *,
    fold: bool = False,
) -> onnx.ModelProto:
    """Export an image classifier to ONNX.

    The module takes (N, C, H, W) float32 of any N and gives logits (N, classes). BatchNorm stays a
    node with its four named initializers, since pruning judges unfolded weights and ONNX Runtime
    folds when it loads; ``fold`` folds it in the file. Preprocessing and class names go into the
    metadata; stack traces and local paths do not. Equal input gives equal bytes. The module is left
    in the mode it came in.

    Errors
    ------
    ModelError
        if PyTorch cannot export the module, or it does not give logits (N, C) for any N.
    """
    with in_eval_mode(module):
        program = _exported(module, preprocessing)
    model = _clean(program)
    if fold:
        model = folded(model)
    step = RecipeStep(name="export", options={"opset": OPSET, "fold": fold}, seconds=0.0)
    embedded = Embedded(preprocessing=preprocessing, class_names=class_names, recipe=(step,))
    proto = write_embedded(ir.to_proto(model), embedded)
    proto.producer_name, proto.producer_version = PRODUCER, ""
    onnx.checker.check_model(proto, full_check=True)
    _expect_classifier(proto, type(module).__name__)
    return proto


@contextlib.contextmanager
def in_eval_mode(module: torch.nn.Module) -> Iterator[None]:
    """Put a module into eval mode within the block.

    ``module.train(mode)`` afterwards would also wake parts that were frozen on their own.
    """
    modes = {name: part.training for name, part in module.named_modules()}
    module.eval()
    try:
        yield
    finally:
        for name, part in module.named_modules():
            part.training = modes[name]


def folded(model: ir.Model) -> ir.Model:
    """Return the model with each BatchNorm folded into the convolution before it."""
    optimizer.optimize(model)
    return passes.ClearMetadataAndDocStringPass()(model).model


def settle_reshapes(model: ir.Model) -> int:
    """Give every Reshape whose only unknown output size is the batch a constant shape, in place.

    The exporter computes such shapes from the input with Shape, Squeeze and Concat, which hinders
    fusion and readers. Returns how many nodes were changed; the arithmetic left unused is for a
    later clean-up pass.
    """
    changed = 0
    for node in model.graph:
        shape = node.inputs[1] if node.op_type == "Reshape" else None
        if shape is not None and ir.convenience.get_const_tensor(shape) is None:
            sizes = _one_unknown(node.outputs[0].shape)
            if sizes is not None:
                node.replace_input_with(1, _constant(model, f"{node.name}_shape", sizes))
                changed += 1
    return changed


def _expect_classifier(proto: onnx.ModelProto, where: str) -> None:
    taken = signature_of(proto, where=where).fixed_batch
    given = proto.graph.output[0].type.tensor_type.shape.dim[0].dim_value
    if taken or given:
        raise ModelError(
            "a module that takes batches of any size",
            f"one that takes {taken or given} images",
            where=where,
            remedy="Make its forward() take the batch size from its input.",
        )


def _exported(module: torch.nn.Module, preprocessing: Preprocessing) -> ir.Model:
    # Two images: a batch of one would be specialized away.
    example = torch.zeros(2, preprocessing.channels, preprocessing.height, preprocessing.width)
    try:
        with _quiet():
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                optimize=False,
                opset_version=OPSET,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=[INPUT],
                output_names=[OUTPUT],
                verbose=False,
            )
    except (torch.onnx.OnnxExporterError, RuntimeError) as error:
        raise ModelError(
            "a module that PyTorch can export to ONNX with a dynamic batch",
            _cause(error),
            where=type(module).__name__,
            remedy="Make its forward() traceable by torch.export.",
        ) from error
    if program is None:
        raise ModelError("a module that PyTorch can export to ONNX", "no program", where=type(module).__name__)
    return program.model


def _cause(error: BaseException) -> str:
    """Name the first failure behind the exporter's own, which only tells how far it came."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines() or ["no message"]
    return f"{type(error).__name__}: {lines[0][:200].rstrip('.')}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's advice off stdout and its tracebacks off stderr: the error says it in one sentence."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    silent = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
        # Deprecations inside the exporter are for its authors.
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(disabled)


def _clean(model: ir.Model) -> ir.Model:
    # Equal initializers stay apart: a fresh BatchNorm's mean equals its bias, and repair must move one alone.
    optimizer.fold_constants(model)
    settle_reshapes(model)
    passes_in_order = Sequential(
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.IdentityEliminationPass(),
        passes.RemoveUnusedNodesPass(),
        passes.RemoveUnusedFunctionsPass(),  # type: ignore[no-untyped-call]  # its constructor is unannotated
        passes.RemoveUnusedOpsetsPass(),
        passes.ClearMetadataAndDocStringPass(),
    )
    return passes_in_order(model).model


def _one_unknown(shape: ir.Shape | None) -> list[int] | None:
    if shape is None:
        return None
    sizes = [size if isinstance(size, int) else -1 for size in shape]
    return sizes if sizes.count(-1) <= 1 else None


def _constant(model: ir.Model, name: str, sizes: list[int]) -> ir.Value:
    tensor = ir.tensor(np.array(sizes, dtype=np.int64), name=name)
    value = ir.Value(name=name, shape=ir.Shape([len(sizes)]), type=ir.TensorType(tensor.dtype), const_value=tensor)
    model.graph.register_initializer(value)
    return value

"""Models from models: export, prune, quantize; nothing is written until :meth:`Model.save` is called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compress_onnx.data import DataSource, image_set
from compress_onnx.errors import OptionError
from compress_onnx.model import Model, ModelSource, made_model
from compress_onnx.options import (
    BASIS,
    CALIBRATION_SIZE,
    CPU,
    MAX_DROP,
    METHOD,
    REPAIR,
    REPAIR_SIZE,
    ROUNDING,
    SCALES,
    SCOPE,
    SEED,
    SPARSITY,
    WEIGHTS,
    Progress,
    silent,
)
from compress_onnx.records import Preprocessing


def export(
    model: Any,
    *,
    preprocessing: Preprocessing | None = None,
    class_names: Sequence[str] = (),
    data: DataSource | None = None,
    fold: bool = False,
) -> Model:
    """Export a trained network to ONNX and prove that it computes what PyTorch computes.

    ``model`` is a name or a folder of ``models/``, or a ``torch.nn.Module`` with the ``preprocessing`` of its inputs
    and its ``class_names``. ``data`` are images for the parity check, by default the model's own test images where
    they are at hand. ``fold`` folds BatchNorm.

    Errors
    ------
    MissingExtraError
        without the torch extra.
    ParityError
        if the file's logits differ from PyTorch's by more than 1e-4 of their range.

    >>> import compress_onnx as co
    >>> co.export(42)
    Traceback (most recent call last):
    ...
    compress_onnx.errors.OptionError: Expected a name, a folder or a torch.nn.Module, got an int. ...
    """
    from compress_onnx.steps import export_checked, exported, own_images

    images = None if data is None else image_set(data)
    if isinstance(model, str | Path):
        result = exported(str(model), images=images or own_images(str(model)), fold=fold)
        return made_model(result.model, name=Path(model).name)
    if not hasattr(model, "state_dict"):
        got = f"{'an' if type(model).__name__[0] in 'aeiou' else 'a'} {type(model).__name__}"
        raise OptionError("a name, a folder or a torch.nn.Module", got, remedy="Give the trained network.")
    if preprocessing is None:
        raise OptionError("the preprocessing of the network's inputs", "none", remedy="Give preprocessing=.")
    result = export_checked(model, preprocessing, tuple(class_names), images=images, fold=fold)
    return made_model(result.model, name=type(model).__name__.lower())


def prune(
    model: ModelSource,
    *,
    sparsity: float | None = None,
    scope: str | None = None,
    basis: str = BASIS.default,
    exclude: Sequence[str] = (),
    structured: bool = False,
    data: DataSource | None = None,
    repair: str = REPAIR.default,
    search: bool = False,
    max_drop: float = MAX_DROP.default,
    repair_size: int = REPAIR_SIZE.default,
    seed: int = SEED.default,
    preprocessing: Preprocessing | None = None,
    progress: Progress = silent,
) -> Model:
    """Set the smallest weights to zero, or with ``structured`` remove the weakest channels.

    With ``data`` (training images; no labels needed) channels get their former statistics again, which keeps much of
    the accuracy; with ``search`` the highest sparsity whose accuracy loss stays within ``max_drop`` is found on
    them. ``preprocessing`` serves a model whose metadata holds none.

    Errors
    ------
    ModelError, DataError, OptionError
        as of ``compress-onnx prune``.

    >>> import compress_onnx as co
    >>> from compress_onnx.api.example import classifier
    >>> small = co.prune(classifier(noise=0.1), sparsity=0.5)
    >>> sum(weight.nonzero for weight in small.weights), sum(weight.elements for weight in small.weights)
    (117, 333)
    """
    from compress_onnx.compress import PruneOptions, StructuredOptions
    from compress_onnx.steps import CalibrationData, Search, pruned, searched

    REPAIR.check(repair)
    MAX_DROP.check(max_drop)
    amount = SPARSITY.default if sparsity is None else sparsity
    options: PruneOptions | StructuredOptions
    if structured:
        if basis != BASIS.default:
            raise OptionError("--basis unfolded with --structured", repr(basis))
        channels = StructuredOptions(fraction=amount, exclude=tuple(exclude))
        options = channels if scope is None else StructuredOptions(fraction=amount, exclude=tuple(exclude), scope=scope)
    else:
        options = PruneOptions(sparsity=amount, scope=scope or SCOPE.default, basis=basis, exclude=tuple(exclude))
    images = None
    if data is not None:
        images = CalibrationData(
            training=image_set(data),
            evaluation=_excluded(data, None),
            size=REPAIR_SIZE.check(repair_size),
            seed=SEED.check(seed),
            preprocessing=preprocessing,
        )
    if not search:
        return pruned(model, options, data=images if repair == "auto" else None, progress=progress)
    if images is None or isinstance(options, StructuredOptions):
        got = "no data" if images is None else "--structured"
        raise OptionError("--data, and no --structured, with --search", got)
    job = Search(options=options, max_drop=max_drop, repairs=repair == "auto", seed=seed)
    return searched(model, job, data=images, progress=progress)[0]


def quantize(
    model: ModelSource,
    data: DataSource,
    *,
    weights: str = WEIGHTS.default,
    calibration_size: int = CALIBRATION_SIZE.default,
    method: str = METHOD.default,
    scales: str = SCALES.default,
    rounding: str = ROUNDING.default,
    repair: str = REPAIR.default,
    max_drop: float = MAX_DROP.default,
    cpu: str = CPU.default,
    exclude: DataSource | None = None,
    seed: int = SEED.default,
    preprocessing: Preprocessing | None = None,
    progress: Progress = silent,
) -> Model:
    """Quantize to 8-bit activations and ``weights`` of ``int8``, ``int4`` or ``mixed`` (static PTQ, QDQ, per channel).

    ``calibration_size`` images of ``data`` are chosen class-balanced and seeded, none of those of ``exclude``: by
    default the test split of named data. ``cpu`` is what the file will run on, ``auto`` this one. ``preprocessing``
    serves a model whose metadata holds none.

    Errors
    ------
    ModelError, DataError, OptionError
        as of ``compress-onnx quantize``.

    >>> import compress_onnx as co
    >>> from compress_onnx.api.example import classifier, pictures
    >>> small = co.quantize(classifier(), pictures(60), calibration_size=30)
    >>> str(small.precision)
    'w8a8'
    """
    from compress_onnx.compress import QuantizeOptions
    from compress_onnx.runtime import cpu_target
    from compress_onnx.steps import CalibrationData, quantized

    MAX_DROP.check(max_drop)
    REPAIR.check(repair)
    CPU.check(cpu)
    options = QuantizeOptions(
        cpu=cpu_target() if cpu == "auto" else cpu, weights=weights, scales=scales, rounding=rounding, method=method
    )
    images = CalibrationData(
        training=image_set(data),
        evaluation=_excluded(data, exclude),
        size=CALIBRATION_SIZE.check(calibration_size),
        seed=SEED.check(seed),
        preprocessing=preprocessing,
        max_drop=max_drop,
        repairs=repair == "auto",
    )
    return quantized(model, options, data=images, progress=progress).model


def _excluded(data: DataSource, exclude: DataSource | None) -> Any:
    """Return the images that must not calibrate, ``None`` where there are none."""
    from compress_onnx.steps import excluded_by_default

    chosen = exclude if exclude is not None else excluded_by_default(data)
    return image_set(chosen) if chosen else None

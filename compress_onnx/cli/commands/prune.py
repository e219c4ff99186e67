"""``compress-onnx prune``: magnitude pruning of a file's weights, or of whole channels."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compress_onnx.cli.arguments import Json, Output, PreprocessingFlags, Seed, TrainingImages, flag, option_groups
from compress_onnx.cli.output import made, progress_bars, say
from compress_onnx.errors import OptionError
from compress_onnx.options import BASIS, MAX_DROP, REPAIR, REPAIR_SIZE, SCOPE, SEED, SPARSITY

if TYPE_CHECKING:
    from compress_onnx.compress import PruneOptions, StructuredOptions
    from compress_onnx.steps import CalibrationData


@option_groups()
def prune_command(
    model: Annotated[Path, typer.Argument(help="ONNX file, FP32.")],
    *,
    sparsity: Annotated[float, flag(SPARSITY)] = SPARSITY.default,
    scope: Annotated[str, typer.Option(help=f"{SCOPE.help} Default: global, or layer with --structured.")] = "",
    basis: Annotated[str, flag(BASIS)] = BASIS.default,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Pattern on names of weights that stay as they are; may be given again.")
    ] = None,
    structured: Annotated[
        bool, typer.Option("--structured", help="Remove whole channels, the fraction --sparsity of them at most.")
    ] = False,
    data: Annotated[
        str,
        typer.Option(
            "--data", help="Training images, such as gtsrb:train, to repair or search on; no labels needed to repair."
        ),
    ] = "",
    repair: Annotated[str, flag(REPAIR)] = REPAIR.default,
    search: Annotated[
        bool, typer.Option("--search", help="Find the highest sparsity whose accuracy loss stays within --max-drop.")
    ] = False,
    max_drop: Annotated[float, flag(MAX_DROP)] = MAX_DROP.default,
    repair_size: Annotated[int, flag(REPAIR_SIZE)] = REPAIR_SIZE.default,
    seed: Seed = SEED.default,
    preprocessing: PreprocessingFlags,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Set the smallest weights of an ONNX model to zero, or remove its weakest channels.

    With --data the channels get their former statistics again (repair), which keeps much of the
    accuracy that plain pruning loses.

    Example: compress-onnx prune lenet5.onnx --sparsity 0.7 --data gtsrb:train -o lenet5-pruned.onnx
    """
    options = _options(sparsity, scope, basis, tuple(exclude or ()), structured=structured)
    images = None
    if data:
        images = TrainingImages(data=data, size=repair_size, seed=seed).load(model, preprocessing)
    path = output or model.with_name(f"{model.stem}-prune{'' if search else f'{sparsity:g}'}.onnx")
    if search:
        _search(model, path, options, data=images, max_drop=max_drop, repairs=repair == "auto")
    else:
        _prune(model, path, options, images if repair == "auto" else None)
    made(path, as_json=as_json)


def _options(
    sparsity: float, scope: str, basis: str, exclude: tuple[str, ...], *, structured: bool
) -> PruneOptions | StructuredOptions:
    from compress_onnx.compress import PruneOptions, StructuredOptions

    if not structured:
        return PruneOptions(sparsity=sparsity, scope=scope or SCOPE.default, basis=basis, exclude=exclude)
    if basis != BASIS.default:
        raise OptionError("--basis unfolded with --structured", repr(basis))
    chosen = StructuredOptions(fraction=sparsity, exclude=exclude)
    return dataclasses.replace(chosen, scope=scope) if scope else chosen


def _prune(
    source: Path, target: Path, options: PruneOptions | StructuredOptions, images: CalibrationData | None
) -> None:
    from compress_onnx.model import read_embedded
    from compress_onnx.steps import prune_file

    if images is None:
        prune_file(source, target, options, data=None)
        return
    with progress_bars() as stages:
        model = prune_file(source, target, options, data=images, progress=stages("prune"))
    last = read_embedded(model).recipe[-1]
    if last.name == "repair":
        facts = last.options
        say(
            f"Repaired: flips {facts['flips_before']:.2%} before, {facts['flips_after']:.2%} after (on {facts['n']} images)."
        )


def _search(
    source: Path,
    target: Path,
    options: PruneOptions | StructuredOptions,
    *,
    data: CalibrationData | None,
    max_drop: float,
    repairs: bool,
) -> None:
    from compress_onnx.compress import PruneOptions
    from compress_onnx.steps import Search, search_file

    if not isinstance(options, PruneOptions) or data is None:
        raise OptionError("--data, and no --structured, with --search", "no data" if data is None else "--structured")
    job = Search(options=options, max_drop=max_drop, repairs=repairs, seed=data.seed)
    with progress_bars() as stages:
        result = search_file(source, target, job, data=data, progress=stages("search"))
    say(
        f"Highest sparsity {result.sparsity:g}: accuracy loss {_loss(result.loss_searched, result.bound_searched)} on "
        f"{result.n_searched} images, {_loss(result.loss_confirmed, result.bound_confirmed)} on {result.n_confirmed} others."
    )
    if not result.sparsity:
        say("No sparsity is surely within --max-drop; more images (--repair-size) narrow what may be lost.")


def _loss(seen: float, bound: float) -> str:
    return f"{seen:.2%} (95 % sure of at most {bound:.2%})"

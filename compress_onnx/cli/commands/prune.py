"""``compress-onnx prune``: magnitude pruning of a file's weights, or of whole channels."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compress_onnx.cli.arguments import Json, Output, PreprocessingFlags, Seed, flag, option_groups
from compress_onnx.cli.output import made, progress_bars, say
from compress_onnx.options import BASIS, MAX_DROP, REPAIR, REPAIR_SIZE, SCOPE, SEED, SPARSITY, silent_stages

if TYPE_CHECKING:
    from compress_onnx.records import RecipeStep


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
    from compress_onnx.api import prune

    form = preprocessing.of(model)
    with progress_bars() if data else contextlib.nullcontext(silent_stages) as stages:
        pruned = prune(
            model,
            sparsity=sparsity,
            scope=scope or None,
            basis=basis,
            exclude=tuple(exclude or ()),
            structured=structured,
            data=data or None,
            repair=repair,
            search=search,
            max_drop=max_drop,
            repair_size=repair_size,
            seed=seed,
            preprocessing=form,
            progress=stages("search" if search else "prune"),
        )
    path = output or model.with_name(f"{model.stem}-prune{'' if search else f'{sparsity:g}'}.onnx")
    pruned.save(path)
    _say_what_was_done(pruned.embedded.recipe[-1])
    made(pruned, path, as_json=as_json)


def _say_what_was_done(step: RecipeStep) -> None:
    """Say what a repair mended, or what a search found."""
    facts: dict[str, Any] = dict(step.options)
    if step.name == "repair":
        say(
            f"Repaired: flips {facts['flips_before']:.2%} before, {facts['flips_after']:.2%} after (on {facts['n']} images)."
        )
    if step.name == "search":
        say(
            f"Highest sparsity {facts['sparsity']:g}: accuracy loss {_loss(facts['loss_searched'], facts['bound_searched'])} on "
            f"{facts['n_searched']} images, {_loss(facts['loss_confirmed'], facts['bound_confirmed'])} on "
            f"{facts['n_confirmed']} others."
        )
        if not facts["sparsity"]:
            say("No sparsity is surely within --max-drop; more images (--repair-size) narrow what may be lost.")


def _loss(seen: float, bound: float) -> str:
    return f"{seen:.2%} (95 % sure of at most {bound:.2%})"

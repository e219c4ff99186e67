"""``compress-onnx study``: a grid of networks, data sets and recipes."""

from __future__ import annotations

import contextlib
import functools
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compress_onnx.cli.arguments import Json
from compress_onnx.cli.exit_codes import INTERRUPTED
from compress_onnx.cli.output import Run, new_run, progress_bars, put, say, show_table
from compress_onnx.errors import OptionError
from compress_onnx.options import SALIENCY_SAMPLES

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from compress_onnx.records import CandidateSummary, CellSummary, StudyRecord
    from compress_onnx.study import Spec, StudySetup

LOCAL, DASK = "local", "dask"


Networks = Annotated[list[str] | None, typer.Option("--network", help="Only this network; may be given again.")]
Datasets = Annotated[list[str] | None, typer.Option("--dataset", help="Only this data set; may be given again.")]
Seeds = Annotated[list[int] | None, typer.Option("--seed", help="This seed instead; may be given again.")]
Samples = Annotated[int | None, typer.Option(help=f"{SALIENCY_SAMPLES.help.rstrip('.')}; the specification's.")]
Latency = Annotated[
    bool | None, typer.Option("--latency/--no-latency", help="Time the files too, after all cells; on by default.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Cells at a time on this machine; one per core by default.")]
Cluster = Annotated[
    str, typer.Option(help="Address of a Dask scheduler, as tcp://host:8786: its workers run the cells.")
]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder of the study, found again by a second start; reports/<specification> by default."),
]


def study_command(
    spec: Annotated[
        Path, typer.Argument(help="Specification in TOML: networks, datasets, recipes, seeds; or a preset: paper.")
    ],
    *,
    networks: Networks = None,
    datasets: Datasets = None,
    seeds: Seeds = None,
    saliency_samples: Samples = None,
    latency: Latency = None,
    workers: Workers = None,
    cluster: Cluster = "",
    executor: Annotated[str, typer.Option(help="What runs the cells: local, dask, or a plug-in's name.")] = "",
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Run every cell of a grid on the full test sets; started again, it goes on where it stopped.

    A cell is a trained model of models/ on its data set, with one seed and all recipes.
    A recipe joins steps by +, in order: prune:0.5, prune-layer:0.5, prune-folded:0.5,
    search:0.01 (as sparse as a loss of 0.01 allows), search-folded:0.01, structured:0.3,
    repair, w8a8, w4a8, w4a8-plain, mixed, or a compressor plug-in's name.

    Workers of a cluster need this package in the same versions and the data. One on which
    files are timed is alone on its machine: dask worker ADDRESS --nthreads 1 --resources latency=1

    Example: compress-onnx study paper --network lenet5 --out reports/paper
    """
    from compress_onnx.extras import require_extra

    require_extra("torch", command="compress-onnx study")
    from compress_onnx.compare import write_study_page
    from compress_onnx.study import StudySetup, load_spec

    changes = {
        "networks": networks,
        "datasets": datasets,
        "seeds": seeds,
        "saliency_samples": saliency_samples,
        "latency": latency,
    }
    wanted = load_spec(spec, {name: value for name, value in changes.items() if value is not None})
    run = new_run(out or Path("reports") / spec.stem, spec.stem)
    with progress_bars() as stages:
        setup = StudySetup(
            command=_words(spec, changes),
            started_at=run.started_at,
            open_executor=_opener(executor, cluster, workers),
            say=say,
            stages=stages,
        )
        record = _run(wanted, run, setup)
    _finish(record, page=write_study_page(run.folder), as_json=as_json)


def _run(spec: Spec, run: Run, setup: StudySetup) -> StudyRecord:
    """Run a study; where it ends early, say what there is and how it goes on."""
    from compress_onnx.compare import write_study_page
    from compress_onnx.study import CellError, run_study

    try:
        return run_study(spec, run.folder, setup)
    except KeyboardInterrupt:
        say(f"compress-onnx: interrupted. Finished cells are kept. Go on with: {shlex.join(run.command)}")
        raise typer.Exit(INTERRUPTED) from None
    except CellError:
        # The page of what did finish, unless nothing did.
        with contextlib.suppress(OptionError):
            say(f"Summary of the finished cells: {write_study_page(run.folder)}")
        raise


def _words(spec: Path, changes: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the words that make the same records: what was asked for, not where or by whom it was run.

    >>> _words(Path("grid.toml"), {"networks": ["lenet5"], "seeds": None, "latency": False})
    ('compress-onnx', 'study', 'grid.toml', '--network', 'lenet5', '--no-latency')
    """
    words = ["compress-onnx", "study", str(spec)]
    for name, value in changes.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, list):
            words += [word for item in value for word in (f"--{flag.removesuffix('s')}", str(item))]
        elif value is not None:
            words += [f"--{flag}", str(value)]
    return tuple(words)


def _opener(executor: str, cluster: str, workers: int | None) -> functools.partial[Executor]:
    from compress_onnx.extension_points import executors

    name = executor or (DASK if cluster else LOCAL)
    if name == DASK and not cluster:
        raise OptionError("--cluster with the address of a Dask scheduler", "none", remedy="As tcp://host:8786.")
    make: Any = executors()[name]
    return functools.partial(make, cluster, workers)


def _finish(record: StudyRecord, *, page: Path, as_json: bool) -> None:
    from compress_onnx.store import STUDY_FILE
    from compress_onnx.store import as_json as record_json

    if as_json:
        put(record_json(record))
    else:
        for cell in record.cells:
            _show(cell)
    say(f"Summary: {page}; its record: {page.with_name(STUDY_FILE)}")


def _show(cell: CellSummary) -> None:
    title = (
        f"{cell.name}: {cell.dataset.name} ({cell.dataset.split}, {cell.dataset.n} images), "
        f"baseline accuracy {_percent(cell.accuracy.value)}; saliency as mean deviation"
        + "".join(f"; timed on {cpu}" for cpu in {one.latency.cpu: None for one in cell.candidates if one.latency})
    )
    head = ("recipe", "sparsity", "accuracy change", "flips", "worst class", "saliency", "speed-up", "kB zipped")
    show_table(title, head, [_row(one) for one in cell.candidates])


def _row(candidate: CandidateSummary) -> tuple[str, ...]:
    worst = candidate.worst_change.value if candidate.worst_change else None
    speedup = candidate.latency.speedup.value if candidate.latency else None
    return (
        candidate.recipe,
        f"{candidate.sparsity:.3f}",
        _percent(candidate.accuracy_change.value, sign="+"),
        _percent(candidate.flips.value),
        "-" if worst is None else f"{candidate.worst_class}: {_percent(worst, sign='+')}",
        _percent(candidate.saliency.value if candidate.saliency else None),
        "-" if speedup is None else f"{speedup:.2f}",
        f"{candidate.zip_bytes / 1000:.0f}",
    )


def _percent(value: float | None, *, sign: str = "") -> str:
    """Return a fraction as a percentage.

    >>> _percent(0.0123), _percent(-0.01, sign="+"), _percent(None)
    ('1.23 %', '-1.00 %', '-')
    """
    return "-" if value is None else f"{100 * value:{sign}.2f} %"

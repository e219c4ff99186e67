"""Two runs of one line of models: which candidates belong together, and what else differs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from compress_onnx.compare.run import RunResults
from compress_onnx.errors import OptionError, RecordError
from compress_onnx.gate import Columns
from compress_onnx.records import Comparison, RunRecord
from compress_onnx.registry import unknown


def matched(now: RunRecord, before: RunRecord, renamed: Mapping[str, str]) -> list[tuple[Comparison, Comparison]]:
    """Return the candidates of both runs in pairs: as renamed, by equal name, or the only one of each.

    Errors
    ------
    RecordError
        if the two runs tell other classes apart.
    UnknownNameError
        if a renaming names a candidate that there is not.
    OptionError
        if no candidate of this run has a counterpart.
    """
    _expect_same_classes(now, before)
    new = {comparison.candidate_name: comparison for comparison in now.comparisons}
    old = {comparison.candidate_name: comparison for comparison in before.comparisons}
    for name, other in renamed.items():
        if name not in new:
            raise unknown("candidate of this run", name, new)
        if other not in old:
            raise unknown("candidate of the earlier run", other, old)
    names = {name: renamed.get(name, name) for name in new}
    pairs = [(new[name], old[other]) for name, other in names.items() if other in old]
    if not pairs and len(new) == len(old) == 1:
        pairs = list(zip(new.values(), old.values(), strict=True))
    if not pairs:
        raise OptionError(
            f"a candidate of this run ({', '.join(new)}) in the earlier one",
            ", ".join(old) or "none",
            where=before.run_id,
            remedy="Say which belong together with --candidate NEW=OLD.",
        )
    return pairs


def _expect_same_classes(now: RunRecord, before: RunRecord) -> None:
    classes = now.dataset.class_names, before.dataset.class_names
    if classes[0] == classes[1]:
        return
    counts = [f"{len(names)} classes" for names in classes]
    other = next((f"{a!r} for {b!r}" for a, b in zip(*classes, strict=False) if a != b), "")
    raise RecordError(
        f"an earlier run with the same {counts[0]}",
        counts[1] if len(classes[0]) != len(classes[1]) else f"other ones, {other}",
        where=before.run_id,
        remedy="Compare runs of one model line on one task.",
    )


def run_warnings(now: RunRecord, before: RunRecord) -> list[str]:
    """Say what else differs between the two runs, for a reader to bear in mind."""
    found = []
    if now.dataset.sha256 != before.dataset.sha256:
        found.append(f"{before.run_id} saw other images: the two runs are compared as independent samples.")
    if now.environment.cpu_target != before.environment.cpu_target:
        targets = f"{before.environment.cpu_target}, this one on {now.environment.cpu_target}"
        found.append(f"{before.run_id} ran on {targets}: predictions can differ for that reason alone.")
    bases = [{comparison.baseline_sha256 for comparison in record.comparisons} for record in (now, before)]
    if bases[0] != bases[1]:
        found.append(f"{before.run_id} had another baseline: flips and changes are counted from another start.")
    old = {comparison.candidate_name for comparison in before.comparisons}
    alone = [comparison.candidate_name for comparison in now.comparisons if comparison.candidate_name not in old]
    if alone and len(now.comparisons) > 1:
        found.append(f"{before.run_id} has no candidate called {', '.join(alone)}.")
    return found


def paired_columns(
    now: RunResults, before: RunResults, names: tuple[str, str]
) -> tuple[Columns | None, Columns | None]:
    """Return both candidates' rows in the same order, ``None`` twice where they cannot be paired."""
    if now.record.dataset.sha256 != before.record.dataset.sha256:
        return None, None
    new = now.rows(names[:1]).get(names[0])
    old = before.rows(names[1:]).get(names[1])
    if new is None or old is None or not np.array_equal(new["sample_id"], old["sample_id"]):
        return None, None
    return new, old

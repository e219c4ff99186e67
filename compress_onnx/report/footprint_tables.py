"""The table of what a file is on disk and in memory."""

from __future__ import annotations

from compress_onnx.records import Comparison, Footprint, Measure
from compress_onnx.report.cells import Cell, Table, absent, words
from compress_onnx.report.figures import size


def footprint_table(comparisons: tuple[Comparison, ...], baseline: str) -> Table | None:
    """Return the further sizes of baseline and candidates, beside file and zipped bytes, ``None`` for a run without comparisons."""
    if not comparisons:
        return None
    rows = [(baseline, comparisons[0].footprint_baseline)]
    rows += [(comparison.candidate_name, comparison.footprint_candidate) for comparison in comparisons]
    head = ("Artifact", "zstd", "Weights' entropy", "In memory", "Stored by type")
    note = (
        "Entropy: what a perfect coder needs that knows each weight tensor's histogram and uses no order; out of "
        "reach for float weights, whose histogram is as long as they are. "
        "In memory: growth of a fresh process at loading."
    )
    return Table(
        caption="Bytes by coder, by type and in memory",
        head=head,
        rows=tuple(_footprint_row(name, footprint) for name, footprint in rows),
        note=note,
    )


def _footprint_row(name: str, footprint: Footprint) -> tuple[Cell, ...]:
    stored = ", ".join(f"{kind} {size(number)}" for kind, number in footprint.initializer_bytes.items())
    return (
        words(name),
        _bytes(footprint.zstd_bytes),
        _bytes(footprint.entropy_bytes),
        _resident(footprint.resident),
        words(stored) if stored else absent(None),
    )


def _bytes(number: int | None) -> Cell:
    return absent(None) if number is None else Cell(text=size(number))


def _resident(measure: Measure | None) -> Cell:
    if measure is None:
        return absent("measured with latency only")
    return absent(measure.undefined_reason) if measure.value is None else Cell(text=size(int(measure.value)))

"""What is to be said of models whose answers depend on the other images of a call."""

from __future__ import annotations

from compress_onnx.records import BatchIndependence, RunRecord
from compress_onnx.report.kit.cells import Cell, absent, words
from compress_onnx.report.kit.figures import plain

# Causes named in a sentence; the table of the predictions has them all.
_NAMED = 2


def batch_sentences(record: RunRecord) -> tuple[str, ...]:
    """Return one sentence per model whose answers depend on the call, and per model that draws at random."""
    return tuple(f"{run.name}: {text}" for run in record.predicted for text in batch_warnings(run.independence))


def batch_warnings(independence: BatchIndependence | None) -> tuple[str, ...]:
    """Return what a reader has to know of one model; nothing where each image is answered by itself."""
    if independence is None:
        return ()
    sentences = () if independence.independent else (_dependent(independence),)
    return (*sentences, _drawing(independence)) if independence.draws else sentences


def _dependent(independence: BatchIndependence) -> str:
    own = _calls(independence.predicted_batch or 1)
    return (
        f"An answer may depend on the other images of a call{_because(independence)}, so it is predicted {own}. "
        f"{_calls(independence.batch).capitalize()}, {independence.changed:,} of {independence.compared:,} predictions are others "
        f"(logits by up to {plain(independence.largest_difference)})."
    )


def _because(independence: BatchIndependence) -> str:
    causes = independence.causes[:_NAMED]
    more = len(independence.causes) - len(causes)
    listed = "; ".join(causes) + (f"; and {more} more" if more else "")
    return f" ({listed})" if causes else ""


def _calls(batch: int) -> str:
    return "one image at a time" if batch == 1 else f"{batch} images at a time"


def _drawing(independence: BatchIndependence) -> str:
    return (
        f"It holds nodes that draw at random ({', '.join(independence.draws[:_NAMED])}); asked twice, it answered "
        f"{independence.checked} images alike, but may not answer all so."
    )


def independence_cell(independence: BatchIndependence | None) -> Cell:
    """Return whether a model's answers depend on the call, with what was looked at."""
    if independence is None:
        return absent("not checked")
    if independence.independent:
        return words(f"no ({independence.checked:,} images checked)")
    causes = "; ".join(independence.causes) or "as its answers show"
    return words(f"yes: {causes}")

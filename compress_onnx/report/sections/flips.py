"""Every changed prediction, one card each: rows in columns, pictures and maps once per sample."""

from __future__ import annotations

import base64
import dataclasses
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress_onnx.records import RunRecord
from compress_onnx.report.kit import Absent, Columns, Maps, ReportInput, Section, flipped, map_levels, palette_colors

TITLE = "Flips, one by one"
JsonValue = Any
"""What :mod:`json` writes; spelt out, the recursive type would hide the shape it is meant to show."""
KIND_WORDS = {
    "negative": "right to wrong",
    "positive": "wrong to right",
    "lateral": "wrong to another wrong",
    "unlabeled": "changed, no label",
}
NO_SAMPLES = "samples.parquet is missing: single flips cannot be shown, everything else comes from run.json"
NO_FLIPS = "no prediction changed under any candidate"


def flips_section(source: ReportInput) -> Section | Absent:
    """Return the flip browser; it needs the samples."""
    browser = flip_browser(source)
    if browser.missing:
        return Absent(title=TITLE, reason=browser.missing)
    return Section(
        key="flips",
        title=TITLE,
        good="few flips, at low confidence, on pictures you would doubt too.",
        bad="clear pictures of one kind that turn wrong with high confidence.",
        template="sections/flips.html.j2",
        content=browser,
        data={"flip-data": browser.rows, "flip-pictures": browser.pictures},
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FlipBrowser:
    """What the flip browser shows: rows and pictures for the page's script, or why it is empty.

    ``kinds`` are those that occur, with their meaning; ``note`` tells how many flips have a picture.
    """

    total: int = 0
    note: str = ""
    kinds: Mapping[str, str] = dataclasses.field(default_factory=dict)
    classes: tuple[str, ...] = ()
    has_maps: bool = False
    rows: Mapping[str, JsonValue] = dataclasses.field(default_factory=dict)
    pictures: Mapping[str, JsonValue] = dataclasses.field(default_factory=dict)
    missing: str = ""


def flip_browser(source: ReportInput) -> FlipBrowser:
    """Return the flip browser of a run; without samples or flips it says why it is empty."""
    if source.samples is None:
        return FlipBrowser(missing=NO_SAMPLES)
    changed = flipped(source.samples)
    rows = {name: values[changed] for name, values in source.samples.items()}
    ids = [str(sample) for sample in rows["sample_id"]]
    if not ids:
        return FlipBrowser(missing=NO_FLIPS)
    shown = {sample: _text(source.pictures[sample]) for sample in dict.fromkeys(ids) if sample in source.pictures}
    maps = _packed(source.maps, _needed(rows, source.baseline))
    kinds = set(map(str, rows["flip_kind"]))
    return FlipBrowser(
        total=len(ids),
        note=source.withheld
        or f"{sum(sample in shown for sample in ids):,} of {len(ids):,} flips have a picture here.",
        kinds={kind: meaning for kind, meaning in KIND_WORDS.items() if kind in kinds},
        classes=source.record.dataset.class_names,
        has_maps=maps is not None,
        rows=_named_rows(source, rows, ids),
        pictures={"pictures": shown, "maps": maps},
    )


def _named_rows(source: ReportInput, rows: Columns, ids: list[str]) -> dict[str, JsonValue]:
    return {
        "baseline": source.baseline,
        "candidates": [comparison.candidate_name for comparison in source.record.comparisons],
        "classes": list(source.record.dataset.class_names),
        "kinds": KIND_WORDS,
        "rows": _rows(source.record, rows, ids),
    }


def _rows(record: RunRecord, rows: Columns, ids: list[str]) -> dict[str, JsonValue]:
    place = {comparison.candidate_name: index for index, comparison in enumerate(record.comparisons)}
    return {
        "id": ids,
        "candidate": [place.get(str(name), -1) for name in rows["candidate"]],
        "label": [int(label) for label in rows["label"]],
        "before": [int(predicted) for predicted in rows["baseline_class"]],
        "after": [int(predicted) for predicted in rows["candidate_class"]],
        "confidenceBefore": _numbers(rows["baseline_confidence"]),
        "confidenceAfter": _numbers(rows["candidate_confidence"]),
        "kind": [str(kind) for kind in rows["flip_kind"]],
        "deviation": _numbers(rows["saliency_deviation"]),
    }


def _numbers(values: NDArray[Any]) -> list[float | None]:
    return [round(float(value), 4) if np.isfinite(value) else None for value in values]


def _needed(rows: Columns, baseline: str) -> set[tuple[str, str]]:
    """Return the maps some card shows: the baseline's, and those of candidates under which the sample flipped."""
    samples, candidates = map(str, rows["sample_id"]), map(str, rows["candidate"])
    pairs = set(zip(samples, candidates, strict=True))
    return pairs | {(sample, baseline) for sample, _ in pairs}


def _packed(maps: Maps, needed: set[tuple[str, str]]) -> dict[str, JsonValue] | None:
    """Return the needed maps' levels in one deflated block, and where each stands in it; ``None`` without any.

    A browser inflates the block once and paints from it: a picture file per map would cost a third
    more bytes, and three decodings per card while the reader scrolls.
    """
    keys = sorted(needed & maps.keys())
    if not keys:
        return None
    levels = np.stack([map_levels(maps[key]) for key in keys])
    places: dict[str, dict[str, int]] = {}
    for place, (sample, artifact) in enumerate(keys):
        places.setdefault(sample, {})[artifact] = place
    return {
        "height": levels.shape[1],
        "width": levels.shape[2],
        "places": places,
        "palette": palette_colors(),
        "levels": _text(zlib.compress(levels.tobytes(), 9)),
    }


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")

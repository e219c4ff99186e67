"""What a report is made of: a run's record, its samples, pictures and maps, and a previous run to hold it against."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from compress_onnx.records import RunRecord, SaliencyMaps
from compress_onnx.report.kit.samples import Columns

Maps = Mapping[tuple[str, str], bytes]
"""PNG bytes of saliency maps by sample and artifact's name."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PreviousRun:
    """The run a report is held against: its record, and its samples where they are still there."""

    record: RunRecord
    samples: Columns | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReportInput:
    """What a report is made of.

    ``samples`` holds the columns of ``samples.parquet``, each (R,) with one row per sample and
    candidate, or ``None`` where the file is missing: sample_id and candidate (str), label (int64,
    -1 unlabeled), baseline_class and candidate_class (int64), baseline_confidence,
    candidate_confidence, baseline_margin and candidate_margin (float32), flip_kind (str),
    saliency_deviation (float32, NaN where not computed). ``pictures`` maps a sample to PNG bytes,
    ``maps`` a sample and an artifact's name to the PNG bytes of its saliency map, ``mean_maps`` a
    candidate's name to its mean saliency maps and examples. ``withheld`` says why there are no pictures where
    they were left out on purpose.
    """

    record: RunRecord
    samples: Columns | None = None
    pictures: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    maps: Maps = dataclasses.field(default_factory=dict)
    mean_maps: Mapping[str, SaliencyMaps] = dataclasses.field(default_factory=dict)
    previous: PreviousRun | None = None
    withheld: str = ""

    @property
    def baseline(self) -> str:
        """The baseline's name."""
        return self.record.artifacts[0].name if self.record.artifacts else "baseline"

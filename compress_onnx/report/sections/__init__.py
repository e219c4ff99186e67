"""The sections of a run's report, in reading order: one module each, and one line here."""

from compress_onnx.report.section import SectionMaker
from compress_onnx.report.sections import (
    against,
    answers,
    classes,
    confidence,
    confusion,
    flips,
    fusion,
    latency,
    origin,
    other_cpu,
    saliency,
    tradeoff,
    uncertainty,
    weights,
)

SECTIONS: tuple[SectionMaker, ...] = (
    against.section,
    tradeoff.section,
    answers.section,
    classes.section,
    confusion.section,
    confidence.section,
    uncertainty.section,
    saliency.section,
    weights.section,
    fusion.section,
    latency.section,
    other_cpu.section,
    flips.section,
    origin.section,
)

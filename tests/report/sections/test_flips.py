"""The flip browser holds every flip, and only maps that some card shows."""

from __future__ import annotations

import base64
import dataclasses
import io
import zlib
from typing import Any

import numpy as np
from PIL import Image

from compress_onnx.report.kit.source import ReportInput
from compress_onnx.report.sections.flips import flip_browser


def test_maps_of_other_candidates_are_left_out(run: Any) -> None:
    report_input = ReportInput(record=run.record(), samples=run.samples(), pictures=run.pictures(), maps=run.maps())
    browser = flip_browser(report_input)
    names, rows = browser.rows["candidates"], browser.rows["rows"]
    shown = {(i, names[c]) for i, c in zip(rows["id"], rows["candidate"], strict=True)}
    places = browser.pictures["maps"]["places"]
    assert {(sample, name) for sample, own in places.items() for name in own if name != "resnet18"} == shown


def test_packed_maps_are_the_levels_of_their_pictures(run: Any) -> None:
    maps = run.maps()
    packed = flip_browser(dataclasses.replace(run.input(), maps=maps)).pictures["maps"]
    size = packed["height"] * packed["width"]
    levels = zlib.decompress(base64.b64decode(packed["levels"]))
    palette = np.array([[rgb >> 16, (rgb >> 8) & 255, rgb & 255] for rgb in packed["palette"]], dtype=np.uint8)
    for sample, own in list(packed["places"].items())[:20]:
        for name, place in own.items():
            painted = palette[list(levels[place * size : (place + 1) * size])]
            with Image.open(io.BytesIO(maps[sample, name])) as picture:
                assert painted.tobytes() == picture.convert("RGB").tobytes()


def test_flips_without_maps_hold_none(run: Any) -> None:
    browser = flip_browser(run.input())
    assert browser.pictures["maps"] is None
    assert not browser.has_maps

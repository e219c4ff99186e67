"""``compress-onnx list``: every name the tool knows."""

from __future__ import annotations

import json

from compress_onnx.cli.arguments import Json
from compress_onnx.cli.output import put, show_table


def list_command(*, as_json: Json = False) -> None:
    """List data sets, trained models, compressors, metrics, attribution methods and executors.

    Example: compress-onnx list --json
    """
    names = _names()
    if as_json:
        put(json.dumps(names, indent=1))
        return
    show_table("", ("kind", "names"), [(kind, ", ".join(of_kind) or "none") for kind, of_kind in names.items()])


def _names() -> dict[str, list[str]]:
    from compress_onnx import extension_points
    from compress_onnx.zoo import model_names

    return {
        "data sets": extension_points.datasets().names(),
        "trained models": model_names(),
        "compressors": extension_points.compressors().names(),
        "metrics": extension_points.metrics().names(),
        "attribution methods": extension_points.attributions().names(),
        "executors": extension_points.executors().names(),
    }

"""What a command that made a model file says about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from compress_onnx.cli.output.terminal import put, say

if TYPE_CHECKING:
    from compress_onnx.model import Model
    from compress_onnx.records import Artifact


def made(model: Model, path: Path, *, as_json: bool) -> None:
    """Print the record of a model that was saved at ``path``, or its line for people."""
    from compress_onnx.model import describe
    from compress_onnx.store import as_json as record_json

    artifact = describe(model, name=path.stem, shown_path=str(path))
    if as_json:
        for warning in artifact.warnings:
            say(warning)
        put(record_json(artifact))
    else:
        show_artifact(artifact, str(path))


def show_artifact(artifact: Artifact, path: str) -> None:
    """Print an artifact's line, and on stderr what its reader should be wary of."""
    for warning in artifact.warnings:
        say(warning)
    put(
        f"{path}: {artifact.precision}, {artifact.sparsity:.1%} of {artifact.weights} weights are zero, "
        f"{kilobytes(artifact.file_bytes)}, {kilobytes(artifact.zip_bytes)} zipped"
    )


def kilobytes(count: int) -> str:
    """Return a byte count for people.

    >>> kilobytes(2048), kilobytes(3_500_000)
    ('2.0 kB', '3.50 MB')
    """
    return f"{count / 1e6:.2f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"

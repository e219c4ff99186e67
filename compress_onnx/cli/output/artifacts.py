"""What a command that made a model file says about it."""

from __future__ import annotations

from pathlib import Path

from compress_onnx.cli.output.terminal import put, say


def made(path: Path, *, as_json: bool) -> None:
    """Print an artifact's record, or its line for people."""
    from compress_onnx.model import describe
    from compress_onnx.store import as_json as record_json

    artifact = describe(path, name=path.stem, shown_path=str(path))
    for warning in artifact.warnings:
        say(warning)
    if as_json:
        put(record_json(artifact))
        return
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

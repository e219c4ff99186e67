"""What an artifact weighs: bytes on disk, zipped and by zstd, by type, and at best; weights and zeros."""

from __future__ import annotations

import zlib
from pathlib import Path

import pyarrow as pa

from compress_onnx.compress import reach
from compress_onnx.compress.entropy import entropy_bytes, initializer_bytes
from compress_onnx.graph import ModelFile, Weight, default_opset, precision, read_embedded, read_model, weights
from compress_onnx.records import Artifact, Footprint, LayerWeights, RecipeStep

# zip's usual level: what a release archive or an over-the-air update would carry.
_ZIP_LEVEL = 6
# zstd's own default.
_ZSTD_LEVEL = 3


def zip_bytes(path: Path) -> int:
    """Return the size of the file after deflate, the method of ``zip``, without archive headers."""
    coder = zlib.compressobj(_ZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    with path.open("rb") as stream:
        size = sum(len(coder.compress(block)) for block in iter(lambda: stream.read(1 << 20), b""))
    return size + len(coder.flush())


def zstd_bytes(path: Path) -> int:
    """Return the size of the file after zstd, as one frame."""
    with pa.memory_map(str(path)) as file:
        packed = pa.Codec("zstd", compression_level=_ZSTD_LEVEL).compress(file.read_buffer(), asbytes=True)
    return len(packed)


def describe(path: Path, *, name: str, shown_path: str, recipe: tuple[RecipeStep, ...] | None = None) -> Artifact:
    """Return the record of a model file.

    ``shown_path`` stands in the record; ``recipe`` replaces the steps in the file's metadata where
    the caller knows their seconds.

    Errors
    ------
    ModelError
        if the file is not a valid ONNX model.
    """
    return described(read_model(path), name=name, shown_path=shown_path, recipe=recipe)


def described(read: ModelFile, *, name: str, shown_path: str, recipe: tuple[RecipeStep, ...] | None = None) -> Artifact:
    """Return the record of a model file that was read; see :func:`describe`. Its bytes are those of all its files."""
    model = read.model
    embedded = read_embedded(model, where=read.files[0])
    found = weights(model)
    elements = sum(weight.elements for weight in found)
    nonzero = sum(weight.nonzero for weight in found)
    return Artifact(
        name=name,
        path=shown_path,
        sha256=read.sha256,
        precision=precision(model),
        sparsity=1 - nonzero / elements if elements else 0.0,
        opset=default_opset(model),
        file_bytes=sum(path.stat().st_size for path in read.files),
        zip_bytes=sum(map(zip_bytes, read.files)),
        weights=elements,
        nonzero_weights=nonzero,
        layers=tuple(map(_layer, found)),
        parent_sha256=embedded.parent_sha256,
        recipe=embedded.recipe if recipe is None else recipe,
        zstd_bytes=sum(map(zstd_bytes, read.files)),
        warnings=(*reach.uncounted(found), *reach.warnings(embedded.recipe)),
        initializer_bytes=initializer_bytes(model),
        entropy_bytes=entropy_bytes(model),
        files=len(read.files),
    )


def _layer(weight: Weight) -> LayerWeights:
    return LayerWeights(
        name=weight.name,
        ops=weight.ops,
        shape=weight.shape,
        bits=weight.bits,
        elements=weight.elements,
        nonzero=weight.nonzero,
    )


def footprint(artifact: Artifact) -> Footprint:
    """Return the artifact's footprint alone."""
    return Footprint(
        file_bytes=artifact.file_bytes,
        zip_bytes=artifact.zip_bytes,
        weights=artifact.weights,
        nonzero_weights=artifact.nonzero_weights,
        zstd_bytes=artifact.zstd_bytes,
        initializer_bytes=dict(artifact.initializer_bytes),
        entropy_bytes=artifact.entropy_bytes,
    )

"""A compressed model carries its parent's facts, its parent's hash and one more recipe step."""

from __future__ import annotations

import dataclasses

import onnx

from compress_onnx.model.files import model_sha256
from compress_onnx.model.metadata import read_embedded, write_embedded
from compress_onnx.records import OptionValue, RecipeStep


def descended(
    model: onnx.ModelProto, parent: onnx.ModelProto, step: str, options: dict[str, OptionValue]
) -> onnx.ModelProto:
    """Return ``model`` with the metadata of ``parent``, the parent's hash and one more recipe step.

    The hash is that of the file that :func:`~compress_onnx.model.save_model` would write; where the parent came
    from a file, :func:`made_from` puts that file's identity in its place.
    """
    embedded = read_embedded(parent)
    grown = dataclasses.replace(
        embedded,
        recipe=(*embedded.recipe, RecipeStep(name=step, options=options, seconds=0.0)),
        parent_sha256=model_sha256(parent),
    )
    return write_embedded(model, grown)


def made_from(model: onnx.ModelProto, sha256: str) -> onnx.ModelProto:
    """Return ``model`` with the identity of the file that it was made from, in however many steps."""
    return write_embedded(model, dataclasses.replace(read_embedded(model), parent_sha256=sha256))

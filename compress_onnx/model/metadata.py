"""What the tool keeps inside a file: preprocessing, class names, recipe and parent."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import onnx
from google.protobuf.message import Message

from compress_onnx.errors import ModelError
from compress_onnx.model.nodes import copied
from compress_onnx.records import Preprocessing, RecipeStep

_PREFIX = "compress_onnx."
_LEAKS = frozenset({"metadata_props", "doc_string"})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Facts a file carries about itself; ``None`` or empty where it carries none.

    ``recipe`` lists the steps that made the file; their seconds are not kept in the file, so that
    equal inputs give equal bytes.
    """

    preprocessing: Preprocessing | None = None
    class_names: tuple[str, ...] = ()
    recipe: tuple[RecipeStep, ...] = ()
    parent_sha256: str | None = None


def read_embedded(model: onnx.ModelProto, *, where: object = "") -> Embedded:
    """Return the facts that :func:`write_embedded` left in a model, empty for a foreign one.

    Errors
    ------
    ModelError
        if such an entry is there but broken.
    """
    entries = {
        prop.key.removeprefix(_PREFIX): prop.value for prop in model.metadata_props if prop.key.startswith(_PREFIX)
    }
    try:
        return _parsed(entries)
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(
            "readable compress_onnx metadata", str(error), where=where, remedy="Export the model again."
        ) from error


def _parsed(entries: Mapping[str, str]) -> Embedded:
    raw = json.loads(entries.get("preprocessing", "null"))
    steps = json.loads(entries.get("recipe", "[]"))
    return Embedded(
        preprocessing=None if raw is None else _preprocessing(raw),
        class_names=tuple(str(name) for name in json.loads(entries.get("class_names", "[]"))),
        recipe=tuple(RecipeStep(name=step["name"], options=step["options"], seconds=0.0) for step in steps),
        parent_sha256=entries.get("parent_sha256"),
    )


def _preprocessing(raw: dict[str, Any]) -> Preprocessing:
    found = Preprocessing(
        height=int(raw["height"]),
        width=int(raw["width"]),
        mean=tuple(float(value) for value in raw["mean"]),
        std=tuple(float(value) for value in raw["std"]),
        layout=str(raw["layout"]),
    )
    check_preprocessing(found)
    return found


def check_preprocessing(found: Preprocessing) -> None:
    """Raise ``ValueError`` unless sizes are positive, mean and std finite and of one length, the layout known."""
    if min(found.height, found.width) < 1 or len(found.mean) not in {1, 3} or len(found.std) != len(found.mean):
        message = "sizes must be positive, mean and std must have 1 or 3 entries each"
        raise ValueError(message)
    if not all(math.isfinite(value) for value in (*found.mean, *found.std)):
        message = "mean and std must be finite"
        raise ValueError(message)
    if min(found.std) <= 0 or found.layout not in {"NCHW", "NHWC"}:
        message = "std must be positive and the layout NCHW or NHWC"
        raise ValueError(message)


def write_embedded(model: onnx.ModelProto, embedded: Embedded) -> onnx.ModelProto:
    """Return a copy of the model that carries ``embedded`` and no other metadata of its own.

    Stack traces, local paths and doc strings left by exporters are removed everywhere in the
    graph: artifacts must not leak, and equal inputs must give equal bytes.
    """
    copy = copied(model)
    _strip(copy)
    for key, value in _entries(embedded).items():
        copy.metadata_props.add(key=_PREFIX + key, value=value)
    return copy


def _entries(embedded: Embedded) -> dict[str, str]:
    entries = {}
    if embedded.preprocessing is not None:
        entries["preprocessing"] = json.dumps(dataclasses.asdict(embedded.preprocessing), sort_keys=True)
    if embedded.class_names:
        entries["class_names"] = json.dumps(embedded.class_names, ensure_ascii=False)
    if embedded.recipe:
        steps = [{"name": step.name, "options": step.options} for step in embedded.recipe]
        entries["recipe"] = json.dumps(steps, sort_keys=True, ensure_ascii=False)
    if embedded.parent_sha256:
        entries["parent_sha256"] = embedded.parent_sha256
    return entries


def _strip(message: Message) -> None:
    """Clear metadata and doc strings in a message and in all it holds: subgraphs and functions too."""
    for field, value in message.ListFields():
        if field.name in _LEAKS:
            message.ClearField(field.name)
        elif field.message_type is not None:
            parts: Iterable[Message] = [value] if isinstance(value, Message) else value
            for part in parts:
                _strip(part)

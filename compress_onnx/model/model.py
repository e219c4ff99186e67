"""A classifier as an object: its graph with all values inside, read once, and what it is known by."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import onnx

from compress_onnx.errors import ModelError
from compress_onnx.files import sha256_of, write_text
from compress_onnx.model.census import Weight, precision_of, weights
from compress_onnx.model.files import checked_graph, model_bytes, write_model
from compress_onnx.model.identity import WholeModel, expect_unchanged, whole_bytes, whole_model
from compress_onnx.model.metadata import Embedded, read_embedded
from compress_onnx.model.signature import Signature, signature_of
from compress_onnx.records import Precision

# What stands for the path of a model that was never a file.
_UNSAVED = Path("model")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """An ONNX classifier, read once and shared by all who look at it.

    ``proto`` is the graph with the values of its external tensors inside; it is read and never written to: a pass
    takes a model and returns another one. ``whole`` are the bytes and their identity, ``path`` the file they were
    read from, ``None`` for a model that lives in memory. ``sidecars`` are texts that :meth:`save` writes beside the
    file, by the suffix that takes the place of ``.onnx``. ``graph_sha256`` is the hash of the graph as it was, empty
    where the file is what counts.
    """

    proto: onnx.ModelProto
    whole: WholeModel
    path: Path | None = None
    sidecars: Mapping[str, str] = dataclasses.field(default_factory=dict)
    graph_sha256: str = dataclasses.field(default="", repr=False)

    @classmethod
    def of(cls, source: ModelSource, *, name: str = "") -> Model:
        """Return the model of a path, of a file's bytes, or of a graph in memory; a model is returned as it is.

        A graph is copied: what is done to it later does not change the model. ``name`` stands in sentences about
        what has no path.

        Errors
        ------
        ModelError
            as of :func:`read_model`; if bytes or a graph in memory leave values in other files.
        """
        if isinstance(source, Model):
            return source
        if isinstance(source, bytes | bytearray | memoryview | onnx.ModelProto):
            content = model_bytes(source) if isinstance(source, onnx.ModelProto) else bytes(source)
            whole = whole_bytes(content, where=Path(name) if name else _UNSAVED)
            return cls(proto=checked_graph(whole), whole=whole)
        return read_model(_path(source))

    def __str__(self) -> str:
        """Return what sentences about it name."""
        return str(self.where)

    @property
    def sha256(self) -> str:
        """The identity of all its bytes."""
        return self.whole.sha256

    @property
    def where(self) -> Path:
        """What sentences about it name: its file, or what it is called."""
        return self.whole.path

    @functools.cached_property
    def signature(self) -> Signature:
        """What it takes and gives; :class:`ModelError` where that is no classifier's."""
        return signature_of(self.proto, where=self.where)

    @functools.cached_property
    def embedded(self) -> Embedded:
        """What its metadata say: preprocessing, class names, where it comes from."""
        return read_embedded(self.proto, where=self.where)

    @functools.cached_property
    def weights(self) -> tuple[Weight, ...]:
        """All its weights, wherever they lie: the census."""
        return tuple(weights(self.proto))

    @functools.cached_property
    def precision(self) -> Precision:
        """The bits of its weights and activations."""
        return precision_of(self.proto)

    def serialized(self) -> bytes:
        """Return the bytes of one file that holds everything."""
        return self.whole.serialized()

    def contents(self) -> tuple[bytes, ...]:
        """Return the bytes of each of the files that make it up."""
        if isinstance(self.whole.held, bytes) or self.path is None:
            return (self.serialized(),)
        return tuple(file.read_bytes() for file in self.whole.files)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model as one file, whole or not at all, with its sidecars, and return the path.

        Errors
        ------
        ModelError
            if it was changed since it was made, or is larger than 2 GiB.
        OutputError
            if the place cannot be written.
        """
        self.expect_unchanged()
        target = Path(path)
        write_model(self.serialized(), target)
        for suffix, text in self.sidecars.items():
            write_text(target.with_suffix(suffix), text)
        return target

    def expect_unchanged(self) -> None:
        """Raise :class:`ModelError` if its file, or its graph in memory, is another than the one it was made from."""
        if self.path is not None:
            expect_unchanged(self.path, self.sha256)
        if self.graph_sha256 and sha256_of(model_bytes(self.proto)) != self.graph_sha256:
            raise ModelError(
                "a model that stays as it is while it is judged",
                "another graph than at the start",
                where=self.where,
                remedy="Make the change on a copy, and compare that.",
            )

    def __post_init__(self) -> None:
        # What is saved are the bytes of the file where they are all there is, else those of the graph.
        watched = self.path is None or not isinstance(self.whole.held, bytes)
        if watched and not self.graph_sha256:
            object.__setattr__(self, "graph_sha256", sha256_of(model_bytes(self.proto)))


ModelSource: TypeAlias = str | os.PathLike[str] | bytes | onnx.ModelProto | Model
"""What a model is given as: a path, a file's bytes, a graph in memory, or a model."""


def read_model(path: Path) -> Model:
    """Read a model file and its data files once, and check it with ``onnx.checker``.

    Nodes that stand before what they read, as in the files of some converters, are put in order.

    Errors
    ------
    ModelError
        if the file is missing, empty, truncated, not ONNX, larger than 2 GiB, or breaks ONNX's rules, or a data
        file is missing, too short, a link or outside its folder.
    """
    whole = whole_model(path)
    return Model(proto=checked_graph(whole), whole=whole, path=path)


def made_model(proto: onnx.ModelProto, *, name: str, sidecars: Mapping[str, str] | None = None) -> Model:
    """Return the model that a pass has made; its graph is taken over, not copied."""
    whole = whole_bytes(model_bytes(proto), where=Path(name))
    return Model(proto=proto, whole=whole, sidecars=dict(sidecars or {}), graph_sha256=whole.sha256)


def _path(source: object) -> Path:
    if isinstance(source, str | os.PathLike):
        return Path(source)
    raise ModelError(
        "a model as a path, bytes, an onnx.ModelProto or what quantize and prune return",
        f"a {type(source).__name__}",
        remedy="Export a PyTorch module first: compress_onnx.export.",
    )

"""Names to things: a registry that refuses duplicates and answers unknown names with near ones."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from compress_onnx.errors import PluginError, UnknownNameError

T = TypeVar("T")


def unknown(kind: str, name: str, known: Iterable[str], *, where: str = "") -> UnknownNameError:
    """Return the error for an unknown name: near names first, then the full list.

    >>> str(unknown("network", "lenet", ["lenet5", "resnet18"]))
    "Expected a network, got 'lenet'. Did you mean lenet5 or resnet18? Known: lenet5, resnet18."
    """
    names = sorted(known)
    near = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    article = "an" if kind[0] in "aeiou" else "a"
    return UnknownNameError(
        f"{article} {kind}",
        repr(name),
        where=where,
        remedy=f"{hint}Known: {', '.join(names) or 'none'}.",
    )


class Registry(Generic[T]):
    """Things of one kind by name, each loaded when first asked for.

    >>> shapes = Registry[int]("shape")
    >>> shapes.add("square", lambda: 4)
    >>> shapes["square"]
    4
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._loaders: dict[str, Callable[[], T]] = {}

    def add(self, name: str, load: Callable[[], T]) -> None:
        """Register ``load`` under ``name``; a second registration of a name is an error."""
        if name in self._loaders:
            raise PluginError(
                f"one {self.kind} of each name",
                f"{name!r} twice",
                remedy="Uninstall or rename one of the packages that bring it.",
            )
        self._loaders[name] = load

    def __getitem__(self, name: str) -> T:
        if name not in self._loaders:
            raise unknown(self.kind, name, self._loaders)
        return self._loaders[name]()

    def __contains__(self, name: object) -> bool:
        return name in self._loaders

    def names(self) -> list[str]:
        """Return all registered names, sorted."""
        return sorted(self._loaders)

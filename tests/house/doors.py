"""The contract that rooms are entered through their doors: a foreign room's modules are its own business."""

from __future__ import annotations

import grimp
from importlinter import Contract, ContractCheck, output


def is_deep(importer: str, imported: str, packages: frozenset[str]) -> bool:
    """Tell whether an import reaches past a door: what is imported lies in no folder that the importer lies in.

    >>> packages = frozenset({"p", "p.a", "p.b", "p.b.c"})
    >>> is_deep("p.a.x", "p.b.y", packages), is_deep("p.a.x", "p.b", packages), is_deep("p.b.c.z", "p.b.y", packages)
    (True, False, False)
    """
    folder = importer if importer in packages else importer.rpartition(".")[0]
    parent = imported.rpartition(".")[0]
    return bool(parent) and folder != parent and not folder.startswith(f"{parent}.")


class DoorsContract(Contract):  # type: ignore[misc]  # import-linter ships no types
    """Every import across rooms names the room, never a module inside it."""

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:  # noqa: FBT001  # import-linter's signature
        """Return the imports that reach past a door."""
        del verbose
        root: str = self.session_options["root_packages"][0]
        modules = {name for name in graph.modules if name.split(".")[0] == root}
        packages = frozenset(name for name in modules if graph.find_children(name)) | {root}
        deep = [
            (importer, imported)
            for importer in sorted(modules)
            for imported in sorted(graph.find_modules_directly_imported_by(importer) & modules)
            if is_deep(importer, imported, packages)
        ]
        return ContractCheck(kept=not deep, metadata={"deep": deep})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each import with what it should name."""
        found: list[tuple[str, str]] = check.metadata["deep"]
        for importer, imported in found:
            output.print_error(f"{importer} imports {imported}: import from its room, or let the room export it.")

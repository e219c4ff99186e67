"""Where a study's cells lie on disk: one folder each, moved into place whole, marked with what it holds."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import math
import shutil
import uuid
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path

from compress_onnx.compare import manifest_roots
from compress_onnx.data import load_manifest
from compress_onnx.errors import OptionError, OutputError
from compress_onnx.files import sha256_of, sha256_of_file, write_text
from compress_onnx.store import RUN_FILE
from compress_onnx.study.cells import StudyCell
from compress_onnx.study.execute import WorkerRequirements, data_sha256
from compress_onnx.zoo import CARD, WEIGHTS, model_folder

CELL_FILE = "cell.sha256"
_LOCK = ".study.lock"
_ASIDE = ".part-"


class CellState(StrEnum):
    """How far a cell has come."""

    MISSING = "missing"
    UNTIMED = "untimed"
    FINISHED = "finished"


def cell_name(cell: StudyCell) -> str:
    """Return the folder's name of a cell."""
    return f"{cell.model}-seed{cell.options.seed}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CellFolder:
    """A cell with its folder, and what a worker must have for it.

    ``identity`` is the hash of all that the cell's numbers depend on: the trained weights, the
    data's content, filed calibration manifests, recipes, options, CPU target and the versions of
    the packages.
    """

    name: str
    cell: StudyCell
    root: Path
    requirements: WorkerRequirements
    identity: str

    @property
    def path(self) -> Path:
        """The folder of the finished cell."""
        return self.root / self.name

    @property
    def effort(self) -> float:
        """Roughly how long the cell takes, in no unit: the root of its weights' bytes.

        From LeNet-5 to ResNet-18 bytes grow by 170 and seconds by 20.
        """
        return math.sqrt(sum(path.stat().st_size for path in model_files(self.cell).values()))

    @property
    def is_timed(self) -> bool:
        """Whether its files are to be timed."""
        return self.cell.options.latency is not None

    def state(self) -> CellState:
        """Look how far the cell has come: what was made for another identity is missing."""
        marker = self.path / CELL_FILE
        if not marker.is_file() or not (self.path / RUN_FILE).is_file():
            return CellState.MISSING
        identity, _, state = marker.read_text(encoding="utf-8").strip().partition(" ")
        return CellState(state) if identity == self.identity and state in set(CellState) else CellState.MISSING

    def mark(self, folder: Path, state: CellState) -> None:
        """Write what the folder holds, last of all."""
        write_text(folder / CELL_FILE, f"{self.identity} {state}\n")

    def aside(self) -> Path:
        """Return a new name for a folder beside the cell's, where its files wait until all are there."""
        return self.root / f"{_ASIDE}{self.name}-{uuid.uuid4().hex}"

    def install(self, aside: Path) -> None:
        """Mark a filled folder and move it to the cell's own, instead of what was there."""
        self.mark(aside, CellState.UNTIMED if self.is_timed else CellState.FINISHED)
        if self.path.exists():
            self.path.rename(self.aside())
        aside.rename(self.path)


def cell_folders_of(cells: Iterable[StudyCell], root: Path, *, packages: dict[str, str]) -> tuple[CellFolder, ...]:
    """Return the folder of each cell under ``root``.

    Errors
    ------
    OptionError
        if two cells are the same.
    DataError
        if the data of a cell is missing.
    """
    by_name: dict[str, StudyCell] = {}
    for cell in cells:
        if cell_name(cell) in by_name:
            raise OptionError("each cell once", f"{cell_name(cell)} twice")
        by_name[cell_name(cell)] = cell
    data = {
        split: data_sha256(split) for split in sorted({split for cell in by_name.values() for split in cell.splits})
    }
    return tuple(_cell_folder(name, cell, root, data, packages) for name, cell in by_name.items())


def _cell_folder(name: str, cell: StudyCell, root: Path, data: dict[str, str], packages: dict[str, str]) -> CellFolder:
    requirements = WorkerRequirements(packages=packages, data={split: data[split] for split in cell.splits})
    depends_on = {
        "model": cell.model,
        "files": {name: sha256_of_file(path) for name, path in model_files(cell).items()},
        "manifests": sorted(sha256_of_file(path) for path in manifest_files(cell).values()),
        "data": requirements.data,
        "recipes": cell.recipes,
        "options": cell.options.recorded(),
        "calibration": [cell.calibration_size, cell.method],
        "target": cell.target,
        "packages": packages,
    }
    identity = sha256_of(json.dumps(depends_on, sort_keys=True).encode())
    return CellFolder(name=name, cell=cell, root=root, requirements=requirements, identity=identity)


def model_files(cell: StudyCell) -> dict[str, Path]:
    """Return card and weights of a cell's trained network, by name."""
    folder = model_folder(cell.model)
    return {name: folder / name for name in (CARD, WEIGHTS)}


def manifest_files(cell: StudyCell) -> dict[str, Path]:
    """Return the filed calibration manifests of a cell's data and seed, by name; the first folder's of equal names."""
    manifests: dict[str, Path] = {}
    for root in manifest_roots():
        for path in sorted(root.glob(f"{cell.dataset}*.json")):
            if load_manifest(path).seed == cell.options.seed:
                manifests.setdefault(path.name, path)
    return manifests


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold a study's folder for this process; what an interrupted one left aside goes, before and after.

    A folder that was made for it and holds nothing afterwards goes too.

    Errors
    ------
    OutputError
        if another process holds it, or the folder cannot be made.
    """
    made = [path for path in (root, *root.parents) if not path.exists()]
    try:
        root.mkdir(parents=True, exist_ok=True)
        stream = (root / _LOCK).open("w")
    except OSError as error:
        raise OutputError(
            "a folder that can be written", error.strerror or str(error), where=root, remedy="Choose another one."
        ) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError(
                "a folder of its own for each study",
                "one that a running study fills",
                where=root,
                remedy="Wait for it, or choose another folder with --out.",
            ) from error
        _sweep(root)
        try:
            yield
        finally:
            _sweep(root)
            if made and [path.name for path in root.iterdir()] == [_LOCK]:
                (root / _LOCK).unlink()
                _remove_empty(made)


def _remove_empty(folders: Iterable[Path]) -> None:
    # Another command may have begun to fill one meanwhile.
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _sweep(root: Path) -> None:
    for path in root.glob(f"{_ASIDE}*"):
        shutil.rmtree(path, ignore_errors=True)

"""The house itself: what the wheel holds, which way imports point, how large things are."""

from __future__ import annotations

import ast
import importlib.util
import json
import statistics
import subprocess
import sys
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import compress_onnx

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "compress_onnx"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST_MODULE = 300
LONGEST_FUNCTION = 60
MOST_MODULES = 15
SMALL_MODULE, MOST_LONELY = 50, 10
MEDIAN_FUNCTION, LONG_FUNCTION = 6, 15


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _functions() -> Iterator[tuple[str, int]]:
    """Yield each function's name and lines, without its docstring."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                docstring = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
                told = 0 if docstring is None else (docstring.end_lineno or 0) - docstring.lineno + 1
                yield f"{_name(path)}:{node.name}", node.end_lineno - node.lineno + 1 - told


# ----------------------------------------------------------------------------------- sizes and names


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_no_module_is_over_the_wall(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


def test_no_module_is_called_by_what_it_is_not() -> None:
    homeless = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert not [_name(path) for path in PACKAGE.rglob("*") if path.stem.lstrip("_") in homeless]


def test_nothing_is_left_to_be_written() -> None:
    assert not [_name(path) for path in MODULES if "TODO" in path.read_text(encoding="utf-8")]


def test_no_function_is_over_the_wall() -> None:
    assert not [(name, lines) for name, lines in _functions() if lines > LONGEST_FUNCTION]


def test_functions_are_short() -> None:
    lines = sorted(lines for _, lines in _functions())
    assert statistics.median(lines) <= MEDIAN_FUNCTION
    assert lines[int(0.9 * len(lines))] <= LONG_FUNCTION


def _exported(stub: Path) -> list[str]:
    nodes = ast.parse(stub.read_text(encoding="utf-8")).body
    return [alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names]


def _home(room: Path, name: str) -> Path:
    """Return the file behind a name that a room's door exports."""
    for node in ast.parse((room / "__init__.pyi").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
            module = room / (node.module or "")
            return module.with_suffix(".py") if module.with_suffix(".py").exists() else _home(module, name)
    return room / "__init__.py"


def _imports(path: Path) -> Iterator[Path]:
    """Yield the files of the package that a module imports from, looked up behind doors."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("compress_onnx"):
            place = ROOT / (node.module or "").replace(".", "/")
            for alias in node.names:
                behind_door = (place / "__init__.pyi").exists() and alias.name in _exported(place / "__init__.pyi")
                yield _home(place, alias.name) if behind_door else place.with_suffix(".py")


def test_a_folder_holds_at_most_fifteen_modules() -> None:
    counts = Counter(path.parent for path in MODULES)
    assert not {_name(folder): count for folder, count in counts.items() if count > MOST_MODULES}


def test_few_small_modules_serve_one_other_alone() -> None:
    importers: dict[Path, set[Path]] = defaultdict(set)
    for path in MODULES:
        for imported in _imports(path):
            importers[imported].add(path)
    small = [path for path in MODULES if len(path.read_text(encoding="utf-8").splitlines()) < SMALL_MODULE]
    lonely = [_name(path) for path in small if path.stem[:2] != "__" and len(importers[path]) < 2]
    assert len(lonely) <= MOST_LONELY, lonely


# ----------------------------------------------------------------------------------------- public API


def test_the_public_names_are_few_and_all_there() -> None:
    assert len(compress_onnx.__all__) <= 15
    assert len(set(compress_onnx.__all__)) == len(compress_onnx.__all__)


@pytest.mark.parametrize("name", compress_onnx.__all__)
def test_every_public_name_resolves(name: str) -> None:
    found = getattr(compress_onnx, name)
    assert found.__doc__
    assert not isinstance(found, ModuleType)
    assert name in dir(compress_onnx)


def test_no_door_exports_what_a_module_or_room_beside_it_is_called() -> None:
    """The attribute of a package cannot be both: which one it is would hang on what was imported first."""
    taken = [
        f"{_name(stub)}: {name}"
        for stub in PACKAGE.rglob("__init__.pyi")
        for name in _exported(stub)
        if (stub.parent / f"{name}.py").exists() or (stub.parent / name).is_dir()
    ]
    assert not taken


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="compare_modles"):
        compress_onnx.compare_modles  # noqa: B018  # looking is the test


def _imported(statement: str) -> set[str]:
    code = f"import sys, json\n{statement}\nprint(json.dumps(list(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in json.loads(answer.stdout)}


def test_importing_the_package_imports_no_framework() -> None:
    assert not _imported("import compress_onnx") & {"torch", "onnx", "onnxruntime", "numpy", "scipy"}


@pytest.mark.parametrize(
    "module",
    [
        "api.runs",
        "api.models",
        "comparison.stages",
        "study.grid.runner",
        "report.pages.run",
        "gate.verdict",
        "compress.quantization.quantize",
    ],
)
def test_the_core_never_imports_torch(module: str) -> None:
    assert not _imported(f"import compress_onnx.{module}") & {"torch", "torchvision", "captum", "safetensors"}


def test_metrics_are_plain_numpy() -> None:
    assert not _imported("import compress_onnx.metrics") & {"torch", "onnx", "onnxruntime", "sklearn", "pyarrow"}


# -------------------------------------------------------------------------------- arrows and the wheel


def test_arrows_point_down_through_doors_and_in_no_circle() -> None:
    pytest.importorskip("importlinter")
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "3 kept, 0 broken" in answer.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("wheel")
    isolation = ["--no-isolation"] if importlib.util.find_spec("hatchling") else []
    answer = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", *isolation, "--outdir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return next(folder.glob("compress_onnx-*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_every_module_and_template(wheel: Path) -> None:
    wanted = {_name(path) for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    shared = {name for name in held if name.startswith("compress_onnx/share/")}
    assert held - shared == wanted
    # What `compress-onnx demo` needs comes with the package.
    assert {"compress_onnx/share/models/lenet5-digits/weights.safetensors"} <= shared
    assert {"compress_onnx/py.typed", "compress_onnx/report/pages/report.html.j2"} <= held


@pytest.mark.slow
def test_the_wheel_names_its_command_and_its_plug_ins(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        entries = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        text = archive.read(entries).decode()
    assert "compress-onnx = compress_onnx.cli:main" in text
    for group in ("datasets", "compressors", "metrics", "attributions", "executors"):
        assert f"[compress_onnx.{group}]" in text

"""The house itself: what the wheel holds, which way imports point, how large things are."""

from __future__ import annotations

import ast
import importlib.util
import json
import statistics
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import compress_onnx

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "compress_onnx"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST_MODULE = 400
LONGEST_FUNCTION = 60
SHORT_FUNCTION = 10


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


def test_no_function_is_over_the_wall() -> None:
    assert not [(name, lines) for name, lines in _functions() if lines > LONGEST_FUNCTION]


def test_half_of_the_functions_are_short() -> None:
    assert statistics.median(lines for _, lines in _functions()) < SHORT_FUNCTION


# ----------------------------------------------------------------------------------------- public API


def test_the_public_names_are_few_and_all_there() -> None:
    assert len(compress_onnx.__all__) <= 15
    assert len(set(compress_onnx.__all__)) == len(compress_onnx.__all__)


@pytest.mark.parametrize("name", compress_onnx.__all__)
def test_every_public_name_resolves(name: str) -> None:
    if name in {"build_twin", "export_module"}:
        pytest.importorskip("torch")
    found = getattr(compress_onnx, name)
    assert found.__doc__
    assert name in dir(compress_onnx)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'compare_modles'"):
        compress_onnx.compare_modles  # noqa: B018  # looking is the test


def _imported(statement: str) -> set[str]:
    code = f"import sys, json\n{statement}\nprint(json.dumps(list(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in json.loads(answer.stdout)}


def test_importing_the_package_imports_no_framework() -> None:
    assert not _imported("import compress_onnx") & {"torch", "onnx", "onnxruntime", "numpy", "scipy"}


@pytest.mark.parametrize(
    "module", ["study.compare", "study.grid", "report.pages.run", "gate.verdict", "compress.quantize"]
)
def test_the_core_never_imports_torch(module: str) -> None:
    assert not _imported(f"import compress_onnx.{module}") & {"torch", "torchvision", "captum", "safetensors"}


def test_metrics_are_plain_numpy() -> None:
    assert not _imported("import compress_onnx.metrics") & {"torch", "onnx", "onnxruntime", "sklearn", "pyarrow"}


# -------------------------------------------------------------------------------- arrows and the wheel


def test_arrows_point_down_only() -> None:
    pytest.importorskip("importlinter")
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "1 kept, 0 broken" in answer.stdout


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

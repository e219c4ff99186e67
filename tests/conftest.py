"""What every test folder shares: how Hypothesis behaves, and models made from nodes and arrays."""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf.message import Message
from hypothesis import settings
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx import options
from compress_onnx.api.example import CLASSES as COLORS
from compress_onnx.api.example import classifier, pictures
from compress_onnx.data.images import ImageSet
from compress_onnx.data.npz import load_npz
from compress_onnx.model.files import save_model
from compress_onnx.model.metadata import Embedded, write_embedded

# A busy machine is not a failing test.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# Begun in the background by a shell, pytest ignores Ctrl-C, and so would every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Speed and memory are measured by `make bench`, on a quiet machine.
collect_ignore = ["benchmarks", "house/without_torch"]

MakeModel = Callable[..., onnx.ModelProto]
CLASSES = 5


def _model(
    nodes: Sequence[onnx.NodeProto],
    tensors: Mapping[str, NDArray[Any] | onnx.TensorProto],
    *,
    image: tuple[int, ...] = (3, 8, 8),
    opset: int = 21,
    batch: int | str = "batch",
    domains: tuple[str, ...] = (),
) -> onnx.ModelProto:
    stored = [t if isinstance(t, TensorProto) else numpy_helper.from_array(t, name) for name, t in tensors.items()]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, *image])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, CLASSES])],
        stored,
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    onnx.checker.check_model(model)
    return model


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what the user's cache holds out of the tests, but for data sets and pip's packages."""
    kept = {"COMPRESS_ONNX_DATA": options.data_root(), "PIP_CACHE_DIR": options.cache_root().parent / "pip"}
    with pytest.MonkeyPatch.context() as patch:
        for name, folder in kept.items():
            patch.setenv(name, os.environ.get(name, str(folder)))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def make_model() -> MakeModel:
    """Make a checked model from nodes and arrays, ``input`` (batch, 3, 8, 8) to ``logits`` (batch, 5)."""
    return _model


def _tensors(message: Message) -> Iterator[TensorProto]:
    if isinstance(message, TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            parts: Iterable[Message] = [value] if isinstance(value, Message) else value
            for part in parts:
                yield from _tensors(part)


def _scattered(
    model: onnx.ModelProto, path: Path, *, place: Callable[[int], str] = "{}.data".format, gap: int = 0, least: int = 16
) -> list[Path]:
    """Write a model with its values of ``least`` bytes and more in data files, and return these.

    ``place`` names the file of a tensor by its number; before each lie ``gap`` bytes that belong to none.
    """
    copy, files = onnx.ModelProto(), {}
    copy.CopyFrom(model)
    for number, tensor in enumerate(_tensors(copy)):
        values = tensor.raw_data or numpy_helper.to_array(tensor).tobytes()
        if len(values) < least:
            continue
        location = place(number)
        before = files.get(location, b"") + bytes(gap)
        files[location] = before + values
        name, kind, dims = tensor.name, tensor.data_type, list(tensor.dims)
        tensor.Clear()
        tensor.name, tensor.data_type, tensor.data_location = name, kind, TensorProto.EXTERNAL
        tensor.dims.extend(dims)
        for key, value in {"location": location, "offset": len(before), "length": len(values)}.items():
            tensor.external_data.add(key=key, value=str(value))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(copy.SerializeToString(deterministic=True))
    for location, content in files.items():
        (path.parent / location).parent.mkdir(parents=True, exist_ok=True)
        (path.parent / location).write_bytes(content)
    return [path.parent / location for location in files]


@pytest.fixture(scope="session")
def scattered() -> Callable[..., list[Path]]:
    """Write a model with its values in data files: ``scattered(model, path, place=lambda number: "w.data")``."""
    return _scattered


@pytest.fixture(scope="session")
def convnet() -> onnx.ModelProto:
    """Conv, BatchNormalization, Relu, grouped Conv, Relu, pool, Flatten, Gemm, all with random float32 weights."""
    rng = np.random.default_rng(7)
    shapes = {
        "w1": (8, 3, 3, 3),
        "scale": (8,),
        "shift": (8,),
        "mean": (8,),
        "w2": (8, 2, 3, 3),
        "b2": (8,),
        "w3": (5, 8),
        "b3": (5,),
    }
    tensors: dict[str, NDArray[Any]] = {name: rng.normal(0, 0.5, s).astype(np.float32) for name, s in shapes.items()}
    tensors["var"] = rng.uniform(0.5, 2, 8).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["input", "w1"], ["c1"], "conv1", pads=[1] * 4),
        helper.make_node("BatchNormalization", ["c1", "scale", "shift", "mean", "var"], ["n1"], "bn1"),
        helper.make_node("Relu", ["n1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], "conv2", pads=[1] * 4, group=4),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("GlobalAveragePool", ["r2"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["logits"], "fc", transB=1),
    ]
    return _model(nodes, tensors)


@pytest.fixture
def make_classifier(tmp_path: Path) -> Callable[..., Path]:
    """Save a small classifier: ``make_classifier("name", noise=0.5, embedded=Embedded())``."""

    def make(name: str, *, embedded: Embedded | None = None, **shape: Any) -> Path:
        model = classifier(**shape)
        path = tmp_path / f"{name}.onnx"
        save_model(model if embedded is None else write_embedded(model, embedded), path)
        return path

    return make


@pytest.fixture
def make_images(tmp_path: Path) -> Callable[..., ImageSet]:
    """Save and load pictures whose strongest color is their class, more or less."""

    def make(n: int = 90, *, seed: int = 0, labeled: bool = True, names: tuple[str, ...] = COLORS) -> ImageSet:
        pixels, labels = pictures(n, seed=seed)
        arrays: dict[str, Any] = {"images": pixels}
        if labeled:
            arrays |= {"labels": labels, "class_names": np.array(names)}
        path = tmp_path / f"pictures-{seed}.npz"
        np.savez(path, **arrays)
        return load_npz(path, name=f"pictures{seed}", split="all")

    return make


@pytest.fixture
def started() -> datetime:
    return datetime(2026, 1, 2, 15, 4, 5, tzinfo=UTC)


# What the extra ``torch`` brings, and the rooms whose modules need it.
_EXTRA = frozenset({"captum", "onnxscript", "safetensors", "sklearn", "torch", "torchvision"})
_ROOMS = frozenset({"saliency", "torch_export", "zoo"})


class _WithoutExtra:
    """Leaves the doctests of modules alone that need what is not installed."""

    def __init__(self, package: Path) -> None:
        self._package = package

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Tell whether a module's import ends at a package of the extra; of all others nothing is said."""
        if collection_path.suffix != ".py" or not collection_path.is_relative_to(self._package):
            return None
        name = collection_path.relative_to(self._package.parent).with_suffix("").parts
        if name[1] not in _ROOMS:
            return None
        try:
            importlib.import_module(".".join(name))
        except ModuleNotFoundError as error:
            return True if str(error.name).partition(".")[0] in _EXTRA else None
        return None


def pytest_configure(config: pytest.Config) -> None:
    """Collect the package where the extra is not installed, too."""
    if importlib.util.find_spec("torch") is None:
        config.pluginmanager.register(_WithoutExtra(config.rootpath / "compress_onnx"))

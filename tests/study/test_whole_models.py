"""Models whose weights lie beside equal graphs: a comparison says what bare ONNX Runtime says, and believes no cache.

Of each pair the ``.onnx`` bytes are equal and the weights are not. Both are asked through the public comparison with
the prediction cache on, after the cache has seen them in other places and with other weights.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx import options
from compress_onnx.comparison import predictions as answers
from compress_onnx.comparison import stages as compare
from compress_onnx.comparison.job import Job
from compress_onnx.comparison.models import NamedModel
from compress_onnx.comparison.options import CompareOptions
from compress_onnx.comparison.stages import compare_models
from compress_onnx.data.images import ImageSet
from compress_onnx.data.npz import load_npz
from compress_onnx.errors import ModelError
from compress_onnx.files import sha256_of_file
from compress_onnx.records.artifacts import Preprocessing
from compress_onnx.records.run import RunRecord
from compress_onnx.store.predictions import load_predictions

FORM = Preprocessing(height=8, width=8, mean=(0.5,) * 3, std=(0.25,) * 3)
Values = NDArray[np.float32]


def _network(change: Callable[[Values], Values], *, seed: int = 0) -> onnx.ModelProto:
    """Two convolutions and a head, 8x8 pictures to six logits, its weights changed and its biases not."""
    rng = np.random.default_rng(seed)
    shapes = {"w1": (6, 3, 3, 3), "w2": (8, 6, 3, 3), "w3": (6, 8)}
    weights = {name: change(rng.normal(0, 0.4, shape).astype(np.float32)) for name, shape in shapes.items()}
    weights["b1"] = rng.normal(0, 0.1, 6).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["images", "w1", "b1"], ["c1"], "conv1", pads=[1] * 4),
        helper.make_node("Relu", ["c1"], ["r1"], "relu1"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], "conv2", strides=[2, 2]),
        helper.make_node("Relu", ["c2"], ["r2"], "relu2"),
        helper.make_node("GlobalAveragePool", ["r2"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w3"], ["logits"], "head", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 6])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def _dense(values: Values) -> Values:
    return values


def _pruned(values: Values) -> Values:
    return np.where(np.abs(values) < np.quantile(np.abs(values), 0.7), np.float32(0), values)


def _permuted(values: Values) -> Values:
    return np.ascontiguousarray(values[np.random.default_rng(1).permutation(len(values))])


def _noisy(values: Values) -> Values:
    return values + np.random.default_rng(2).normal(0, 0.2, values.shape).astype(np.float32)


def _turned(values: Values) -> Values:
    return np.ascontiguousarray(values[..., ::-1])


def _one_bit(values: Values) -> Values:
    changed = values.copy()
    changed.reshape(-1).view(np.uint32)[0] ^= 1 << 31
    return changed


@dataclasses.dataclass(frozen=True)
class Shelf:
    """Where the two models of a pair are put, and how their values are scattered over data files."""

    folder: Path
    scattered: Any

    def put(self, change: Callable[[Values], Values], name: str, place: Callable[[int], str], gap: int = 0) -> Path:
        path = self.folder / name / "model.onnx"
        self.scattered(_network(change), path, place=place, gap=gap)
        return path


Laid = tuple[Path, Callable[[], Path]]
"""The first model, and what puts the second one there, which may be in the first one's place."""


def _two_folders(shelf: Shelf, change: Any) -> Laid:
    first = shelf.put(_dense, "a", lambda _: "model.onnx.data")
    return first, lambda: shelf.put(change, "b", lambda _: "model.onnx.data")


def _several_files(shelf: Shelf, change: Any) -> Laid:
    first = shelf.put(_dense, "a", lambda number: f"{number}.bin")
    return first, lambda: shelf.put(change, "b", lambda number: f"{number}.bin")


def _subfolders(shelf: Shelf, change: Any) -> Laid:
    first = shelf.put(_dense, "a", lambda number: f"weights/{number % 2}/values")
    return first, lambda: shelf.put(change, "b", lambda number: f"weights/{number % 2}/values")


def _gaps(shelf: Shelf, change: Any) -> Laid:
    first = shelf.put(_dense, "a", lambda _: "w", gap=100)
    return first, lambda: shelf.put(change, "b", lambda _: "w", gap=100)


def _rewritten(shelf: Shelf, change: Any) -> Laid:
    """In place, of equal size, and dated as before: what a rewrite within one tick of the clock leaves."""
    first = shelf.put(_dense, "a", lambda _: "model.onnx.data")
    data = first.with_name("model.onnx.data")
    stat = data.stat()

    def rewrite() -> Path:
        other = shelf.put(change, "b", lambda _: "model.onnx.data").with_name("model.onnx.data")
        with data.open("r+b") as stream:
            stream.write(other.read_bytes())
        os.utime(data, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert (data.stat().st_size, data.stat().st_mtime_ns, data.stat().st_ino) == (
            stat.st_size,
            stat.st_mtime_ns,
            stat.st_ino,
        )
        return first

    return first, rewrite


def _replaced(shelf: Shelf, change: Any) -> Laid:
    first = shelf.put(_dense, "a", lambda _: "model.onnx.data")
    return first, lambda: shelf.put(change, "a", lambda _: "model.onnx.data")


def _linked_graph(shelf: Shelf, change: Any) -> Laid:
    """The second graph is a link to the first, with data of its own beside the link."""
    first = shelf.put(_dense, "a", lambda _: "model.onnx.data")

    def link() -> Path:
        second = shelf.put(change, "b", lambda _: "model.onnx.data")
        second.unlink()
        second.symlink_to("../a/model.onnx")
        return second

    return first, link


def _linked_folder(shelf: Shelf, change: Any) -> Laid:
    """One path, a linked folder, leads to the first model and then to the second."""
    shelf.put(_dense, "a", lambda _: "model.onnx.data")
    current = shelf.folder / "current"
    current.symlink_to("a")

    def turn() -> Path:
        shelf.put(change, "b", lambda _: "model.onnx.data")
        current.unlink()
        current.symlink_to("b")
        return current / "model.onnx"

    return current / "model.onnx", turn


def _hard_linked(shelf: Shelf, change: Any) -> Laid:
    first = shelf.put(_dense, "a", lambda _: "model.onnx.data")

    def link() -> Path:
        second = shelf.put(change, "b", lambda _: "model.onnx.data")
        second.unlink()
        os.link(first, second)
        return second

    return first, link


LAYOUTS = (
    _two_folders,
    _several_files,
    _subfolders,
    _gaps,
    _rewritten,
    _replaced,
    _linked_graph,
    _linked_folder,
    _hard_linked,
)
CHANGES = (_pruned, _permuted, _noisy, _turned, _one_bit, _dense)
PAIRS = list(itertools.product(LAYOUTS, CHANGES))
FAST = {(_two_folders, _pruned), (_rewritten, _noisy), (_linked_graph, _permuted)}


def _bare(path: Path, pictures: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Classes by ONNX Runtime alone, from the path, one picture at a time."""
    inputs = ((pictures.astype(np.float32) / 255 - np.float32(0.5)) / np.float32(0.25)).transpose(0, 3, 1, 2)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    logits = [session.run(None, {"images": np.ascontiguousarray(one[None])})[0] for one in inputs]
    return np.asarray(np.concatenate(logits).argmax(axis=1))


@pytest.fixture(scope="session")
def pictures() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (120, 8, 8, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def images(pictures: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    path = tmp_path_factory.mktemp("pictures") / "noise.npz"
    np.savez(path, images=pictures)
    return load_npz(path, name="noise", split="all")


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def shelf(tmp_path: Path, scattered: Any) -> Shelf:
    return Shelf(tmp_path, scattered)


def _compared(base: Path, other: Path, images: ImageSet, folder: Path) -> RunRecord:
    job = Job(
        models=[NamedModel(source=base, name="base"), NamedModel(source=other, name="other")],
        images=images,
        options=CompareOptions(saliency="none", latency=None, cache=True, preprocessing=FORM),
        folder=folder,
        command=("compress-onnx", "compare"),
        started_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    return compare_models(job)


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(pair, id="-".join(part.__name__.strip("_") for part in pair), marks=marks)
        for pair in PAIRS
        for marks in [() if pair in FAST else pytest.mark.slow]
    ],
)
def test_flips_are_those_of_the_bare_runtime(
    pair: tuple[Any, Any], shelf: Shelf, images: ImageSet, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    layout, change = pair
    first, put_second = layout(shelf, change)
    graph = first.read_bytes()
    alone = tmp_path / "alone.onnx"
    onnx.save(_network(_dense), alone)
    before = _bare(first, pictures)
    # The cache has answers for the first model by now, under whatever name it gave it.
    seen = _compared(alone, first, images, tmp_path / "seen").comparisons[0]
    assert seen.flips.flips == 0
    second = put_second()
    assert second.read_bytes() == graph
    after = _bare(second, pictures)
    record = _compared(alone, second, images, tmp_path / "run")
    (found,) = record.comparisons
    assert found.flips.flips == np.sum(before != after)
    asked = load_predictions(tmp_path / "run" / "predictions" / "other.npz")
    np.testing.assert_array_equal(asked.logits.argmax(axis=1), after)
    assert asked.artifact_sha256 == found.candidate_sha256 == record.artifacts[1].sha256
    same = change is _dense
    assert (seen.candidate_sha256 == found.candidate_sha256) == same
    assert (record.predicted[1].batch is None) == same, "only the very same weights may be answered by the cache"
    assert record.artifacts[1].file_bytes > len(graph) + 4 * 6 * 8


def test_at_least_fifty_pairs_are_made_and_most_of_them_flip(pictures: NDArray[np.uint8], tmp_path: Path) -> None:
    assert len(PAIRS) >= 50
    onnx.save(_network(_dense), tmp_path / "dense.onnx")
    dense = _bare(tmp_path / "dense.onnx", pictures)
    for change in (_pruned, _permuted, _noisy, _turned):
        onnx.save(_network(change), tmp_path / "changed.onnx")
        assert np.sum(_bare(tmp_path / "changed.onnx", pictures) != dense) > 10


def test_an_old_answer_under_the_hash_of_the_graph_is_not_believed(
    shelf: Shelf, images: ImageSet, pictures: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caches were filled by the hash of the ``.onnx`` alone; of such a file it names nothing any more."""
    path = shelf.put(_pruned, "a", lambda _: "w.data")
    stale = np.eye(6, dtype=np.float32)[np.zeros(len(pictures), int)]
    real, poisoned = answers.prediction_key, []

    def poison(artifact: str, *words: str) -> str:
        file = options.cache_root() / "predictions" / f"{real(sha256_of_file(path), *words)}.npz"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, logits=stale)
        poisoned.append(file)
        return str(real(artifact, *words))

    monkeypatch.setattr(answers, "prediction_key", poison)
    _compared(path, path, images, tmp_path / "run")
    assert poisoned
    found = load_predictions(tmp_path / "run" / "predictions" / "base.npz")
    np.testing.assert_array_equal(found.logits.argmax(axis=1), _bare(path, pictures))


OTHER_STAGES = ("evaluated_models", "predicted", "sample_columns")


def _written_during(stage: str, write: Callable[[], object], patch: pytest.MonkeyPatch) -> None:
    """Let something else write to a file right after a stage of the comparison."""
    module: Any = answers if stage == "prediction_key" else compare
    done = getattr(module, stage)

    def then_write(*words: Any, **options: Any) -> Any:
        found = done(*words, **options)
        write()
        return found

    patch.setattr(module, stage, then_write)


@pytest.mark.parametrize("cached", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "stage",
    ["prediction_key", "fusion_receipt", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHER_STAGES)],
)
def test_a_model_that_is_written_to_meanwhile_is_refused(
    stage: str, *, cached: bool, shelf: Shelf, images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shelf.put(_dense, f"{stage}-{cached}", lambda _: "w.data")
    alone, data = tmp_path / "alone.onnx", path.with_name("w.data")
    onnx.save(_network(_turned), alone)
    first = data.read_bytes()
    other = shelf.put(_pruned, "other", lambda _: "w.data").with_name("w.data").read_bytes()
    if cached:
        _compared(alone, path, images, tmp_path / "before")
    with monkeypatch.context() as patch:
        _written_during(stage, lambda: data.write_bytes(other), patch)
        with pytest.raises(ModelError, match="stays as it is while it is judged, got other bytes than at the start"):
            _compared(alone, path, images, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    # Nor has the cache learned anything wrong, of the weights that were there before or those after.
    for content in (other, first):
        data.write_bytes(content)
        after = _compared(alone, path, images, tmp_path / "after")
        assert after.comparisons[0].flips.flips == _flips(alone, path, images)


def _flips(base: Path, other: Path, images: ImageSet) -> int:
    pictures = images.pixels(0, len(images), FORM)
    return int(np.sum(_bare(base, pictures) != _bare(other, pictures)))

"""Everything a user can get wrong: one sentence, exit 2, no traceback, nothing half-written."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper, numpy_helper

Words = tuple[object, ...]


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a case finds good files and makes its bad ones."""

    shelf: Any
    tmp: Path
    finished: Path

    def write(self, name: str, content: bytes | str) -> Path:
        path = self.tmp / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def truncated(self, source: Path) -> Path:
        content = source.read_bytes()
        return self.write(f"truncated{source.suffix}", content[: len(content) // 2])

    def model(self, edit: Callable[[onnx.ModelProto], None]) -> Path:
        model = onnx.load(self.shelf.base)
        edit(model)
        onnx.save(model, self.tmp / "edited.onnx")
        return self.tmp / "edited.onnx"

    def npz(self, **arrays: Any) -> Path:
        images = np.zeros((6, 8, 8, 3), dtype=np.uint8)
        np.savez(self.tmp / "odd.npz", **{"images": images, **arrays})
        return self.tmp / "odd.npz"

    def parquet(self, content: bytes, label: int = 0) -> Path:
        rows = [{"image": {"bytes": content, "path": "a.png"}, "label": label}]
        names = {"info": {"features": {"label": {"names": ["a", "b", "c"]}}}}
        table = pa.Table.from_pylist(rows).replace_schema_metadata({"huggingface": json.dumps(names)})
        pq.write_table(table, self.tmp / "odd.parquet")
        return self.tmp / "odd.parquet"

    @property
    def file(self) -> Path:
        """A regular file, below which nothing can be written, not even by root."""
        return self.write("file.txt", "a file")

    def compare(self, *words: object, base: Path | None = None, data: object = "", other: Path | None = None) -> Words:
        chosen = (base or self.shelf.base, other or self.shelf.other, "--data", data or self.shelf.data)
        return ("compare", *chosen, "--saliency", "none", "--no-latency", "--out", self.tmp / "out", *words)

    def quantize(self, *words: object, model: Path | None = None, data: object = "") -> Words:
        chosen = (model or self.shelf.base, "--data", data or self.shelf.train, "-o", self.tmp / "q.onnx")
        return ("quantize", *chosen, "--calibration-size", "8", *words)

    def gate(self, rules: str) -> Words:
        return ("gate", self.finished, "--policy", self.write("policy.toml", rules))

    def record(self, change: Callable[[dict[str, Any]], None]) -> Path:
        path = self.finished / "run.json"
        record = json.loads(path.read_text())
        change(record)
        path.write_text(json.dumps(record))
        return self.finished


@dataclasses.dataclass(frozen=True)
class Case:
    """A command that cannot be obeyed, and what its sentence must hold."""

    name: str
    words: Callable[[Place], Words]
    says: str
    needs: str = ""


def _spatial_output(model: onnx.ModelProto) -> None:
    del model.graph.node[2:]
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("r", TensorProto.FLOAT, ["n", 4, 8, 8]))


def _second_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def _input_side(side: int | str) -> Callable[[onnx.ModelProto], None]:
    def edit(model: onnx.ModelProto) -> None:
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, side, side]))
        model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.ones((3, 4 * 81), np.float32), "w2"))

    return edit


def _without_names(classes: int) -> Callable[[onnx.ModelProto], None]:
    """Cut the last Gemm down to fewer classes and hide their number from the file's signature."""

    def edit(model: onnx.ModelProto) -> None:
        for place in (1, 2):
            tensor = model.graph.initializer[place]
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor)[:classes], tensor.name))
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", "c"]))

    return edit


def _nan_weight(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[1]
    values = numpy_helper.to_array(tensor).copy()
    values[0, 0] = np.nan
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _old_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 11


def _broken_metadata(model: onnx.ModelProto) -> None:
    model.metadata_props[0].value = "{"


def _quantized(place: Place) -> Path:
    def edit(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.float32(1), "one"))
        model.graph.initializer.append(numpy_helper.from_array(np.uint8(0), "zero"))
        model.graph.node[0].input[0] = "back"
        pair = (
            helper.make_node("QuantizeLinear", ["images", "one", "zero"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "one", "zero"], ["back"]),
        )
        for number, node in enumerate(pair):
            model.graph.node.insert(number, node)

    return place.model(edit)


MODELS = (
    Case(
        "compare a missing file", lambda p: p.compare(base=p.tmp / "no.onnx"), r"an ONNX file, got no file \(.*no\.onnx"
    ),
    Case("compare a missing candidate", lambda p: p.compare(other=p.tmp / "no.onnx"), "got no file"),
    Case("prune a missing file", lambda p: ("prune", p.tmp / "no.onnx"), "an ONNX file, got no file"),
    Case("quantize a missing file", lambda p: p.quantize(model=p.tmp / "no.onnx"), "an ONNX file, got no file"),
    Case("inspect on no images", lambda p: ("inspect", p.shelf.base, "--data", p.tmp / "none"), "Expected"),
    Case("inspect on 0 images", lambda p: ("inspect", p.shelf.base, "--images", "0"), "images at least 1, got 0"),
    Case(
        "inspect a foreign model on images",
        lambda p: ("inspect", p.shelf.foreign, "--data", p.shelf.data),
        "preprocessing in the model's metadata, got none",
    ),
    Case("an unknown target", lambda p: p.compare("--target", "nowhere"), "Known: local, qemu-aarch64:CPU"),
    Case(
        "an ssh target without a host",
        lambda p: p.compare("--target", "ssh://"),
        r"Expected ssh://user@board\[:port\]\[/path/to/python\], got 'ssh://'",
    ),
    Case("a board that is not there", lambda p: p.compare("--target", "ssh://nobody@board.invalid"), "ssh"),
    Case(
        "an emulated ARM without a root folder",
        lambda p: p.compare("--target", f"qemu-aarch64:cortex-a72:{p.tmp / 'none'}"),
        "a root folder with an ARM Python, got no folder|qemu-aarch64 on this machine, got none",
    ),
    Case("inspect a missing file", lambda p: ("inspect", p.tmp / "no.onnx"), "an ONNX file, got no file"),
    Case("bench a missing file", lambda p: ("bench", p.shelf.base, p.tmp / "no.onnx"), "an ONNX file, got no file"),
    Case(
        "check a missing file",
        lambda p: (
            "check",
            p.tmp / "no.onnx",
            p.shelf.other,
            "--data",
            p.shelf.data,
            "--policy",
            p.write("p.toml", '[[rule]]\nmetric="flips.rate"\nat_most=1'),
        ),
        "an ONNX file, got no file",
    ),
    Case("a truncated model", lambda p: p.compare(base=p.truncated(p.shelf.base)), "a valid ONNX file"),
    Case("prune a truncated model", lambda p: ("prune", p.truncated(p.shelf.base)), "a valid ONNX file"),
    Case("a text file as model", lambda p: ("inspect", p.write("a.onnx", "hello, world\n" * 9)), "a valid ONNX file"),
    Case("an empty file as model", lambda p: ("prune", p.write("a.onnx", b"")), "an ONNX file, got an empty file"),
    Case("a folder as model", lambda p: ("prune", p.tmp), "an ONNX file, got a folder"),
    Case(
        "no output (N, C)",
        lambda p: p.compare(base=p.model(_spatial_output)),
        r"output \(N, C\) .*shape \(\?, 4, 8, 8\)",
    ),
    Case("bench no output (N, C)", lambda p: ("bench", p.model(_spatial_output), p.shelf.base), r"output \(N, C\)"),
    Case("quantize no output (N, C)", lambda p: p.quantize(model=p.model(_spatial_output)), r"output \(N, C\)"),
    Case("two inputs", lambda p: p.compare(other=p.model(_second_input)), "one image input, got 2 inputs"),
    Case("broken metadata", lambda p: p.compare(base=p.model(_broken_metadata)), "readable compress_onnx metadata"),
    Case("prune broken metadata", lambda p: ("prune", p.model(_broken_metadata)), "readable compress_onnx metadata"),
    Case(
        "another class count than the data's",
        lambda p: p.compare(data=p.npz(labels=np.arange(6) % 3, class_names=np.array(list("abcde")))),
        "a model with 5 classes.*got 3 classes",
    ),
    Case(
        "fewer classes than the baseline's",
        lambda p: p.compare(other=p.model(_without_names(2))),
        r"outputs of one shape",
    ),
    Case(
        "a class order unlike the data's",
        lambda p: p.compare(data=p.npz(labels=np.arange(6) % 3, class_names=np.array(list("cab")))),
        "the data's class order, with class 0 being 'c', got 'a'",
    ),
    Case(
        "a foreign model without flags",
        lambda p: p.compare(base=p.shelf.foreign, other=p.shelf.foreign),
        "--mean and --std",
    ),
    Case("quantize a foreign model without flags", lambda p: p.quantize(model=p.shelf.foreign), "--mean and --std"),
    Case(
        "a color model with gray flags",
        lambda p: p.compare("--mean", "0.5", "--std", "0.5", base=p.shelf.foreign, other=p.shelf.foreign),
        r"an input of shape \(N, 1, 8, 8\)",
    ),
    Case(
        "quantize a color model with gray flags",
        lambda p: p.quantize("--mean", "0.5", "--std", "0.5", model=p.shelf.foreign),
        r"an input of shape \(N, 1, 8, 8\)",
    ),
    Case(
        "quantize in another size",
        lambda p: p.quantize("--mean", "0,0,0", "--std", "1,1,1", "--size", "9", model=p.shelf.foreign),
        r"an input of shape \(N, 3, 9, 9\)",
    ),
    Case("prune a quantized model", lambda p: ("prune", _quantized(p)), "a float model to prune, got a quantized one"),
    Case("quantize a quantized model", lambda p: p.quantize(model=_quantized(p)), "a float model to quantize"),
    Case("prune NaN", lambda p: ("prune", p.model(_nan_weight)), "finite weights"),
    Case("compare NaN", lambda p: p.compare(other=p.model(_nan_weight)), "finite logits"),
    Case("quantize an old opset", lambda p: p.quantize(model=p.model(_old_opset)), "opset 13 or newer, got opset 11"),
    Case(
        "bench another input size",
        lambda p: ("bench", p.shelf.base, p.model(_input_side(9))),
        r"the baseline's input shape \(3, 8, 8\), got \(3, 9, 9\)",
    ),
    Case(
        "bench an unknown input size",
        lambda p: ("bench", p.model(_input_side("side")), p.shelf.base),
        "known size beyond the batch, got an unknown dimension",
    ),
    Case("bench two inputs", lambda p: ("bench", p.shelf.base, p.model(_second_input)), "one image input"),
    Case("bench one model", lambda p: ("bench", p.shelf.base), "a baseline and at least one candidate"),
)

DATA = (
    Case("missing data", lambda p: p.compare(data=p.tmp / "no.npz"), r"an \.npz file, got no file"),
    Case("truncated npz", lambda p: p.compare(data=p.truncated(p.shelf.data)), r"\(.*truncated\.npz\)"),
    Case("npz with objects", lambda p: p.compare(data=p.npz(labels=np.array([{}] * 6))), "got Python objects"),
    Case(
        "quantize npz with objects", lambda p: p.quantize(data=p.npz(images=np.array([{}] * 6))), "got Python objects"
    ),
    Case("npz of floats", lambda p: p.compare(data=p.npz(images=np.zeros((6, 8, 8, 3)))), "`images` as uint8"),
    Case(
        "a label out of range",
        lambda p: p.compare(data=p.npz(labels=np.array([0, 1, 2, 3, 0, 1]), class_names=np.array(list("abc")))),
        "labels from 0 to 2, got 3 in row 3",
    ),
    Case("a negative label", lambda p: p.compare(data=p.npz(labels=np.array([0, 1, 2, -1, 0, 1]))), "got -1 in row 3"),
    Case(
        "a label out of range in Parquet",
        lambda p: p.compare(data=p.parquet(b"", label=7)),
        "labels from 0 to 2, got 7",
    ),
    Case(
        "a corrupt picture in Parquet", lambda p: p.compare(data=p.parquet(b"not a picture")), "a picture that decodes"
    ),
    Case("truncated Parquet", lambda p: p.compare(data=p.truncated(p.parquet(b"x" * 99))), "a whole Parquet file"),
    Case("another Parquet", lambda p: p.compare(data=p.finished / "samples.parquet"), "a column `image`"),
    Case(
        "a corrupt picture in a folder",
        lambda p: p.compare(data=[p.write(f"set/{name}/x.png", b"\x89PNG\r\n") for name in "cba"].pop().parents[1]),
        r"a picture that decodes.*\(.*set/a/x\.png\)",
    ),
    Case("an empty folder", lambda p: p.compare(data=_made(p.tmp / "empty")), "got an empty folder"),
    Case(
        "a folder without folders",
        lambda p: p.compare(data=p.write("set/x.png", b"").parent),
        "got a folder without folders",
    ),
    Case(
        "an empty class folder",
        lambda p: p.compare(data=_made(p.tmp / "set" / "a").parent),
        "pictures in every class folder",
    ),
    Case("an unknown data set", lambda p: p.compare(data="digitz"), "'digitz'. Did you mean digits?"),
    Case("an unknown split", lambda p: p.compare(data="digits:val"), "a split, got 'val'"),
    Case("data of an unknown kind", lambda p: p.compare(data=p.write("a.csv", "1,2")), r"a file ending in '\.csv'"),
    Case(
        "fewer images than wanted",
        lambda p: p.quantize("--calibration-size", "999"),
        "999 images to calibrate on, got 40",
    ),
    Case(
        "calibrating on what is evaluated", lambda p: p.quantize("--exclude", p.shelf.train), "got 0 that are distinct"
    ),
)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


OPTIONS = (
    *(
        Case(
            f"sparsity {value}",
            lambda p, value=value: ("prune", p.shelf.base, "--sparsity", value),
            "sparsity at least 0.0 and below 1.0",
        )
        for value in ("1", "-0.1", "nan", "inf")
    ),
    Case("an unknown scope", lambda p: ("prune", p.shelf.base, "--scope", "globul"), "Did you mean global?"),
    Case("an unknown repair", lambda p: ("prune", p.shelf.base, "--repair", "maybe"), "a repair, got 'maybe'"),
    Case("an unknown basis", lambda p: ("prune", p.shelf.base, "--basis", "folder"), "Did you mean folded"),
    Case("an exclusion of nothing", lambda p: ("prune", p.shelf.base, "--exclude", "fc.*"), "fc"),
    Case("a search without images", lambda p: ("prune", p.shelf.base, "--search"), "--search, got no data|got no data"),
    Case(
        "channels on folded weights",
        lambda p: ("prune", p.shelf.base, "--structured", "--basis", "folded"),
        "--basis unfolded with --structured",
    ),
    Case(
        "repair of folded weights",
        lambda p: ("prune", p.shelf.base, "--basis", "folded", "--data", p.shelf.train, "--repair-size", "16"),
        "--basis unfolded with repair",
    ),
    Case(
        "too few images to repair",
        lambda p: ("prune", p.shelf.base, "--data", p.shelf.train, "--repair-size", "4"),
        "at least 8, got 4",
    ),
    Case("a drop of everything", lambda p: p.quantize("--weights", "mixed", "--max-drop", "1"), "below 1.0, got 1.0"),
    Case("quantize without images", lambda p: ("quantize", p.shelf.base), "calibration images, got none"),
    Case("widen a float model", lambda p: ("quantize", p.shelf.base, "--widen"), "4-bit weights to widen, got none"),
    Case("an unknown method", lambda p: p.quantize("--method", "minmx"), "Did you mean minmax?"),
    Case("an unknown weight type", lambda p: p.quantize("--weights", "int3"), "'int3'"),
    Case("an unknown CPU", lambda p: p.quantize("--cpu", "x86"), "'x86'"),
    Case(
        "a calibration of nothing",
        lambda p: p.quantize("--calibration-size", "0"),
        "calibration-size at least 1, got 0",
    ),
    *(
        Case(
            f"bench {flag} 0",
            lambda p, flag=flag: ("bench", p.shelf.base, p.shelf.other, flag, "0"),
            f"{flag[2:]} at least 1, got 0",
        )
        for flag in ("--threads", "--batch", "--rounds", "--calls")
    ),
    Case(
        "bench on more threads than cores",
        lambda p: ("bench", p.shelf.base, p.shelf.other, "--threads", "1,9999"),
        "threads at most [0-9]+, the cores this process may use, got 9999",
    ),
    Case(
        "bench for no time",
        lambda p: ("bench", p.shelf.base, p.shelf.other, "--duration", "0"),
        r"duration at least 0\.01",
    ),
    *(
        Case(
            f"bench {flag} {text}",
            lambda p, flag=flag, text=text: ("bench", p.shelf.base, p.shelf.other, flag, text),
            f"{flag} as whole numbers joined by commas, got '{text}'",
        )
        for flag, text in (("--batch", "1,,8"), ("--batch", "1;8"), ("--threads", "1.5"), ("--threads", ""))
    ),
    Case("compare no threads", lambda p: p.compare("--threads", "0"), "threads at least 1"),
    Case("compare no saliency samples", lambda p: p.compare("--saliency-samples", "0"), "saliency-samples at least 1"),
    Case("a negative seed", lambda p: p.compare("--seed", "-1"), "seed at least 0, got -1"),
    Case(
        "bench with a negative seed",
        lambda p: ("bench", p.shelf.base, p.shelf.other, "--seed", "-1"),
        "seed at least 0",
    ),
    Case("quantize with a negative seed", lambda p: p.quantize("--seed", "-1"), "seed at least 0"),
    Case(
        "an unknown attribution method",
        lambda p: p.compare("--saliency", "gradiant"),
        "Did you mean gradient?",
        "torch",
    ),
    Case(
        "a mean in words",
        lambda p: p.compare("--mean", "a,b", "--std", "1,1", base=p.shelf.foreign),
        "--mean as numbers",
    ),
    Case(
        "a mean that is not finite",
        lambda p: p.compare("--mean", "nan,0,0", "--std", "1,1,1", base=p.shelf.foreign),
        "--mean as numbers",
    ),
    Case(
        "a std of zero",
        lambda p: p.compare("--mean", "0,0,0", "--std", "0,1,1", base=p.shelf.foreign),
        "std must be positive",
    ),
    Case("a mean without std", lambda p: p.compare("--mean", "0,0,0", base=p.shelf.foreign), "both --mean and --std"),
    Case("a size without mean", lambda p: p.compare("--size", "8", base=p.shelf.foreign), "both --mean and --std"),
    Case(
        "a layout without mean", lambda p: p.compare("--layout", "NHWC", base=p.shelf.foreign), "both --mean and --std"
    ),
    Case(
        "a size in words",
        lambda p: p.compare("--mean", "0,0,0", "--std", "1,1,1", "--size", "big", base=p.shelf.foreign),
        "--size as 32 or 224x320",
    ),
    Case(
        "an unknown layout",
        lambda p: p.compare("--mean", "0,0,0", "--std", "1,1,1", "--layout", "CHW", base=p.shelf.foreign),
        "the layout NCHW or NHWC",
    ),
)

PLACES = (
    Case(
        "prune into a file", lambda p: ("prune", p.shelf.base, "-o", p.file / "x.onnx"), "a place that can be written"
    ),
    Case(
        "prune onto a folder",
        lambda p: ("prune", p.shelf.base, "-o", _made(p.tmp / "x.onnx")),
        "a place that can be written",
    ),
    Case("quantize into a file", lambda p: p.quantize("-o", p.file / "x.onnx"), "a place that can be written"),
    Case("compare into a file", lambda p: p.compare("--out", p.file / "run"), "a folder that can be written"),
    Case("compare onto a file", lambda p: p.compare("--out", p.file), "a folder that can be written"),
    Case(
        "bench into a file",
        lambda p: ("bench", p.shelf.base, p.shelf.other, "--out", p.file / "run"),
        "a folder that can be written",
    ),
    Case("demo into a file", lambda p: ("demo", "--out", p.file / "run"), "a folder that can be written", "torch"),
    Case("a policy into a file", lambda p: ("gate", "--init", p.file / "p.toml"), "a place that can be written"),
    Case("a policy over another file", lambda p: ("gate", "--init", p.file), "a new file, got one that exists"),
    Case(
        "export into a file",
        lambda p: ("export", "lenet5-digits", "-o", p.file / "x.onnx"),
        "a place that can be written",
        "torch",
    ),
)

RULE = '[[rule]]\nmetric = "flips.rate"\n'

RECORDS = (
    Case("a report of nothing", lambda p: ("report", p.tmp / "no"), "a run's folder or its run.json"),
    Case("a report of an empty folder", lambda p: ("report", _made(p.tmp / "empty")), "a run's folder or its run.json"),
    Case("a record in another language", lambda p: ("report", p.write("run.json", "<xml/>")), "a run record in JSON"),
    Case(
        "another schema version",
        lambda p: ("report", p.record(lambda r: r.update(schema_version=99))),
        "schema version 3, got version 99",
    ),
    Case("a record without schema version", lambda p: ("report", p.write("run.json", "[]")), "got no schema version"),
    Case("a record with an unknown field", lambda p: ("report", p.record(lambda r: r.update(mood="good"))), "at mood"),
    Case(
        "a record with a text for a number",
        lambda p: (
            "gate",
            p.record(lambda r: r["dataset"].update(n="many")),
            "--policy",
            p.write("p.toml", RULE + "at_most = 1"),
        ),
        r"at dataset\.n",
    ),
    Case("gate without policy", lambda p: ("gate", p.finished), "a run and --policy FILE"),
    Case("gate without run", lambda p: ("gate",), "a run and --policy FILE"),
    Case(
        "gate a missing run",
        lambda p: ("gate", p.tmp / "no", "--policy", p.write("p.toml", RULE + "at_most = 1")),
        "a run's folder",
    ),
    Case("a missing policy", lambda p: ("gate", p.finished, "--policy", p.tmp / "no.toml"), "a policy in TOML"),
    Case(
        "check with a missing policy",
        lambda p: ("check", p.shelf.base, p.shelf.other, "--data", p.shelf.data, "--policy", p.tmp / "no.toml"),
        "a policy in TOML",
    ),
    Case("a policy that is no TOML", lambda p: p.gate("[[rule"), "a policy in TOML"),
    Case(
        "a policy of an unknown measure",
        lambda p: p.gate(RULE.replace("rate", "rat") + "at_most = 1"),
        "Did you mean flips.rate",
    ),
    Case("a policy without limit", lambda p: p.gate(RULE), "one number, at_most or at_least"),
)

CHECKPOINTS = (
    Case("an unknown trained model", lambda p: ("export", "lenet5-digit"), "Did you mean lenet5-digits", "torch"),
    Case(
        "demo of an unknown model",
        lambda p: ("demo", "--model", "lenet6-digits"),
        "Did you mean lenet5-digits",
        "torch",
    ),
    Case("demo of an unknown data set", lambda p: ("demo", "--model", "lenet5-digit"), "Did you mean", "torch"),
    Case("demo of an unknown recipe", lambda p: ("demo", "--recipe", "w8a9"), "Did you mean w8a8", "torch"),
    Case(
        "demo of one recipe twice",
        lambda p: ("demo", "--recipe", "w8a8", "--recipe", "w8a8"),
        "each recipe once",
        "torch",
    ),
    Case(
        "demo with all weights pruned",
        lambda p: ("demo", "--recipe", "prune:1"),
        "below 1.0 .*, got 'prune:1'",
        "torch",
    ),
    Case("train an unknown network", lambda p: ("train", "lenet6", "digits"), "Did you mean lenet5", "torch"),
    Case("train on an unknown data set", lambda p: ("train", "lenet5", "digitz"), "'digitz'", "torch"),
    Case("train on a split", lambda p: ("train", "lenet5", "digits:train"), "a data set without a split", "torch"),
    Case("train for no epoch", lambda p: ("train", "lenet5", "digits", "--epochs", "0"), "at least 1 epoch", "torch"),
    Case(
        "train with a negative seed",
        lambda p: ("train", "lenet5", "digits", "--seed", "-1"),
        "seed at least 0",
        "torch",
    ),
    Case(
        "train into a file",
        lambda p: ("train", "lenet5", "digits", "--epochs", "1", "-o", p.file / "m"),
        "a place that can be written|a folder",
        "torch",
    ),
    Case(
        "resume nothing", lambda p: ("train", "lenet5", "digits", "--resume", "-o", p.tmp / "m"), "checkpoint", "torch"
    ),
    Case("a folder without card", lambda p: ("export", _made(p.tmp / "m")), "a folder without a card", "torch"),
    Case("a missing checkpoint", lambda p: _checkpoint(p, p.tmp / "no.safetensors"), "a safetensors file", "torch"),
    Case("a pickle", lambda p: _checkpoint(p, _pickle(p)), "got a pickle", "torch"),
    Case(
        "a truncated checkpoint",
        lambda p: _checkpoint(p, p.truncated(_weights(p, 4))),
        "a whole safetensors file",
        "torch",
    ),
    Case("other shapes", lambda p: _checkpoint(p, _weights(p, 5)), "of shape 3x4, got shape 3x5", "torch"),
    Case(
        "a class count unlike the data's in an export",
        lambda p: (
            *_checkpoint(p, _weights(p, 192), "own_net:pixels"),
            "--data",
            p.npz(labels=np.arange(6) % 5),
            "--size",
            "8",
        ),
        "a model with 5 classes, as the data has, got 3 classes",
        "torch",
    ),
    Case(
        "no such factory",
        lambda p: _checkpoint(p, _weights(p, 4), "no_such_module:net"),
        "package.module:callable",
        "torch",
    ),
    Case(
        "no such callable",
        lambda p: _checkpoint(p, _weights(p, 4), "torch.nn:Lineer"),
        "package.module:callable",
        "torch",
    ),
    Case(
        "a factory of numbers",
        lambda p: _checkpoint(p, _weights(p, 4), "builtins:int"),
        "a torch.nn.Module, got int",
        "torch",
    ),
    Case(
        "a factory that wants arguments",
        lambda p: _checkpoint(p, _weights(p, 4), "torch.nn:Linear"),
        "a factory without required arguments",
        "torch",
    ),
    Case(
        "a checkpoint without mean",
        lambda p: ("export", _weights(p, 4), "--factory", "torch.nn:Identity"),
        "both --mean and --std, got neither",
        "torch",
    ),
)


OWN_NETWORKS = """
import torch

def net():
    return torch.nn.Linear(4, 3)

class pixels(torch.nn.Linear):
    def __init__(self):
        super().__init__(192, 3)

    def forward(self, images):
        return super().forward(images.flatten(1))
"""


def _checkpoint(place: Place, path: Path, factory: str = "") -> Words:
    place.write("own_net.py", OWN_NETWORKS)
    return ("export", path, "--factory", factory or "own_net:net", "--mean", "0,0,0", "--std", "1,1,1")


def _weights(place: Place, inputs: int) -> Path:
    import torch
    from safetensors.torch import save_file

    save_file(torch.nn.Linear(inputs, 3).state_dict(), place.tmp / "own.safetensors")
    return place.tmp / "own.safetensors"


def _pickle(place: Place) -> Path:
    import torch

    torch.save(torch.nn.Linear(4, 3).state_dict(), place.tmp / "own.safetensors")
    return place.tmp / "own.safetensors"


STUDIES = (
    Case("a missing study", lambda p: ("study", p.tmp / "no.toml"), "a study specification in TOML", "torch"),
    Case(
        "a study of unknown networks", lambda p: _study(p, networks="['lenet6']"), "Did you mean lenet5-digits", "torch"
    ),
    Case("a study of unknown data", lambda p: _study(p, datasets="['digitz']"), "'digitz'|'lenet5-digitz'", "torch"),
    Case("a study of unknown recipes", lambda p: _study(p, recipes="['w8a9']"), "Did you mean w8a8", "torch"),
    Case(
        "a study of nothing", lambda p: _study(p, networks="[]"), "networks as a list of names, at least one", "torch"
    ),
    Case("a study of the same twice", lambda p: _study(p, datasets="['digits', 'digits']"), "datasets once", "torch"),
    Case("a preset with a slip", lambda _: ("study", "papr"), "Did you mean paper", "torch"),
    Case(
        "a study by an unknown executor",
        lambda p: (*_study(p), "--executor", "dsk", "--out", p.tmp / "out"),
        "an executor, got 'dsk'.*Did you mean dask",
        "torch",
    ),
    Case(
        "a study on a cluster without an address",
        lambda p: (*_study(p), "--executor", "dask", "--out", p.tmp / "out"),
        "the address of a Dask scheduler, got none",
        "torch",
    ),
    Case(
        "a study with an address for this machine",
        lambda p: (*_study(p), "--executor", "local", "--cluster", "tcp://127.0.0.1:1", "--out", p.tmp / "out"),
        "no address, since the pool is here",
        "torch",
    ),
)


def _study(place: Place, **changes: str) -> Words:
    fields = {"networks": "['lenet5']", "datasets": "['digits']", "recipes": "['w8a8']", **changes}
    return ("study", place.write("study.toml", "".join(f"{name} = {value}\n" for name, value in fields.items())))


CASES = (*MODELS, *DATA, *OPTIONS, *PLACES, *RECORDS, *CHECKPOINTS, *STUDIES)


def _files(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
    }


@pytest.fixture
def place(shelf: Any, finished: Path, tmp_path: Path) -> Place:
    return Place(shelf=shelf, tmp=tmp_path, finished=finished)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name.replace(" ", "-")) for case in CASES])
def test_bad_input_ends_in_one_sentence_and_leaves_nothing(
    case: Case, place: Place, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if case.needs:
        pytest.importorskip(case.needs)
    monkeypatch.chdir(place.tmp)
    monkeypatch.setattr(sys, "path", [*sys.path])  # export looks for factories in the working directory
    words = case.words(place)
    before, kept = _files(place.tmp), _files(place.shelf.folder)

    answer = cli(*words)

    assert answer.code == 2, answer.err
    *progress, sentence = answer.err.splitlines()
    assert sentence.startswith("compress-onnx: Expected ")
    assert sentence.endswith(".")
    assert re.search(case.says, sentence), sentence
    assert all(re.match(r"[a-z]+ ?.* \.\.\.$|Comparing \d", line) for line in progress), answer.err
    assert answer.out == ""
    assert _files(place.tmp) == before
    assert _files(place.shelf.folder) == kept


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["compresss"], "No such command"),
        (["prune"], "Missing argument"),
        (["prune", "a.onnx", "--sparsty", "0.5"], "No such option"),
        (["prune", "a.onnx", "--sparsity", "half"], "parse string as a number"),
        (["compare", "a.onnx", "b.onnx"], "Missing option '--data'"),
        (["compare", "a.onnx", "--data", "digits"], "Missing argument"),
        (["check", "a.onnx", "b.onnx", "--data", "digits"], "Missing option '--policy'"),
    ],
)
def test_unknown_words_are_answered_with_usage(words: list[str], says: str, cli: Any) -> None:
    answer = cli(*words)
    assert answer.code == 2
    assert says in " ".join(answer.err.split())
    assert "Traceback" not in answer.err
    assert answer.out == ""

"""What this CPU can do: asked by a probe that runs, and described for people by py-cpuinfo."""

from __future__ import annotations

import functools
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.config import CPU
from compress_onnx.errors import OptionError
from compress_onnx.records import Environment
from compress_onnx.runtime.session import open_session, runtime_failures

_PACKAGES = ("compress-onnx", "numpy", "onnx", "onnxruntime", "torch")
# Integer dot products and the vector widths below them; keys are the spellings of Linux and py-cpuinfo.
_FEATURES = {
    "amx_int8": "amx_int8",
    "avx2": "avx2",
    "avx512f": "avx512f",
    "avx512_vnni": "avx512_vnni",
    "avx512vnni": "avx512_vnni",
    "avx_vnni": "avx_vnni",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
}
_PROC_CPUINFO = Path("/proc/cpuinfo")
_CHANNELS = 64
_TRUE_ANSWER = 200


@functools.cache
def saturates() -> bool:
    """Tell whether U8S8 products saturate int16 on this CPU, by running one node.

    A 1x1 QLinearConv over 64 channels, all activations 255 and all weights 127, with an output
    scale that makes the true answer 200: without VNNI, pairs of products stop at 32,767 and the
    answer is 101. The probe is right under emulation too, where the flag list is the host's.
    """
    session = open_session(_probe())
    with runtime_failures("saturation probe"):
        (answer,) = session.run(None, {"x": np.full((1, _CHANNELS, 1, 1), 255, np.uint8)})
    return bool((np.asarray(answer) < _TRUE_ANSWER).any())


def _probe() -> bytes:
    true_sum = _CHANNELS * 255 * 127
    constants = {
        "one": np.float32(1),
        "u8_zero": np.uint8(0),
        "s8_zero": np.int8(0),
        "w": np.full((_CHANNELS, _CHANNELS, 1, 1), 127, np.int8),
        "y_scale": np.float32(true_sum / _TRUE_ANSWER),
    }
    inputs = ["x", "one", "u8_zero", "w", "one", "s8_zero", "y_scale", "u8_zero"]
    shape = [1, _CHANNELS, 1, 1]
    graph = helper.make_graph(
        [helper.make_node("QLinearConv", inputs, ["y"])],
        "saturation_probe",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    # An IR version and opset that every supported runtime reads.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


def cpu_target() -> str:
    """Return the name by which quantisation types are chosen for this CPU, one of ``config.CPU``.

    Errors
    ------
    OptionError
        if the machine is neither x86-64 nor 64-bit ARM.
    """
    machine = platform.machine().lower()
    if machine in {"aarch64", "arm64"}:
        return "aarch64"
    if machine in {"x86_64", "amd64"}:
        return "x86-64-avx2" if saturates() else "x86-64-vnni"
    raise OptionError(
        "an x86-64 or AArch64 CPU", repr(machine), remedy=f"Name the target with --cpu {'|'.join(CPU.choices[1:])}."
    )


def cpu_label() -> str:
    """Return model and target of this CPU in one line, as predictions carry it."""
    return f"{cpu_model()} ({cpu_target()})"


def cpu_model() -> str:
    """Return the CPU's marketing name, or its architecture where the system names no model."""
    return str(_cpu_info().get("brand_raw") or platform.machine())


def cpu_features() -> tuple[str, ...]:
    """Return which of the features that matter to integer kernels this CPU lists, sorted."""
    return named_features(_cpu_info().get("flags", ()))


def named_features(flags: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """Return the features that matter to integer kernels under one name each, sorted.

    >>> named_features(["sse", "avx512vnni", "avx512_vnni", "asimddp"])
    ('avx512_vnni', 'dotprod')
    """
    return tuple(sorted({_FEATURES[flag] for flag in flags if flag in _FEATURES}))


@functools.cache
def _cpu_info() -> dict[str, Any]:
    # py-cpuinfo takes about a second, most of it in a child process; Linux on x86-64 says both in a file.
    found = _said_by_linux(_PROC_CPUINFO)
    if {"brand_raw", "flags"} <= found.keys():
        return found
    import cpuinfo

    return dict(cpuinfo.get_cpu_info())


def _said_by_linux(path: Path) -> dict[str, Any]:
    """Return name and flags of the first core, as far as the kernel's file holds them."""
    try:
        first = path.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    except OSError:
        return {}
    pairs = [line.partition(":") for line in first.splitlines()]
    entries = {key.strip(): value.strip() for key, _, value in pairs}
    found: dict[str, Any] = {}
    if entries.get("model name"):
        found["brand_raw"] = entries["model name"]
    if entries.get("flags"):
        found["flags"] = entries["flags"].split()
    return found


def usable_cores() -> int:
    """Return how many logical cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def environment() -> Environment:
    """Return versions, system and CPU of this process; the host's name is no part of it."""
    return Environment(
        python=platform.python_version(),
        system=platform.platform(),
        packages=installed_versions(_PACKAGES),
        cpu_model=cpu_model(),
        cpu_features=cpu_features(),
        cpu_saturates=saturates(),
        cpu_target=cpu_target(),
        cores=usable_cores(),
    )


def installed_versions(names: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of those packages that are installed, without importing them.

    >>> installed_versions(("no-such-package",))
    {}
    """
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

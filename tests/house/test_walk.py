"""How far one has to walk: the modules that run in the smallest comparison, and what it reads and decodes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from compress_onnx.api.example import classifier, pictures

# Here 74 and 81; a system whose files tell other things of its CPU may need one more.
MOST_MODULES = {"": 80, "local": 82}
WALK = """
import collections, json, sys, threading
from pathlib import Path
import compress_onnx as co
import compress_onnx.data.arrays as arrays
import compress_onnx.model.identity as identity

root, ran, counts = str(Path(co.__file__).parent), set(), collections.Counter()

def counted(module, name, key):
    done = getattr(module, name)
    def call(*words):
        counts[key(*words)] += 1
        return done(*words)
    setattr(module, name, call)

def importing(frame):
    while frame:
        if frame.f_code.co_name == "<module>" and frame.f_code.co_filename.startswith(root):
            return True
        frame = frame.f_back
    return False

def profile(frame, event, argument):
    code = frame.f_code
    inside = event == "call" and code.co_filename.startswith(root) and code.co_filename not in ran
    # Bodies of classes and modules are not functions; what runs while a module is imported declares.
    if inside and code.co_flags & 1 and not code.co_filename.endswith("__init__.py") and not importing(frame.f_back):
        ran.add(code.co_filename)

counted(identity, "_parsed", lambda content, path: Path(path).name)
counted(arrays, "_rgb", lambda picture: "pictures")
folder, target = sys.argv[1], sys.argv[2] or None
threading.setprofile(profile)
sys.setprofile(profile)
models = f"{folder}/base.onnx", {"noisy": f"{folder}/noisy.onnx"}
co.compare(*models, f"{folder}/set.npz", saliency="none", latency=False, cache=False, target=target)
sys.setprofile(None)
print(json.dumps([len(ran), counts]))
"""


@pytest.mark.parametrize("target", MOST_MODULES)
def test_the_smallest_comparison_runs_few_modules_and_reads_and_decodes_once(target: str, tmp_path: Path) -> None:
    onnx.save(classifier(), tmp_path / "base.onnx")
    onnx.save(classifier(0.3), tmp_path / "noisy.onnx")
    images, labels = pictures(60)
    np.savez(tmp_path / "set.npz", images=images, labels=labels)
    answer = subprocess.run(
        [sys.executable, "-c", WALK, str(tmp_path), target], capture_output=True, text=True, check=True
    )
    modules, counts = json.loads(answer.stdout)
    assert 50 < modules <= MOST_MODULES[target]
    assert counts == {"base.onnx": 1, "noisy.onnx": 1, "pictures": 60}

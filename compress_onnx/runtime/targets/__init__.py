"""Where a model really runs: this machine, an emulated or simulated CPU, or a board over ssh.

A target that a process answers for is a command line that ends in Python. The worker, the passport reader and the model all
come to it over stdin, so nothing is ever written on the other side and nothing can be left behind.
"""

from compress_onnx.runtime.targets.naming import target_named
from compress_onnx.runtime.targets.reach import reached
from compress_onnx.runtime.targets.session import Elsewhere
from compress_onnx.runtime.targets.target import Target

__all__ = ["Elsewhere", "Target", "reached", "target_named"]

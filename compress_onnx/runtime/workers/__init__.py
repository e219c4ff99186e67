"""Worker processes that load, run and time one model each: the program that is sent, and this side of the pipe.

What runs there (:mod:`service` and :mod:`passport`) is standard Python 3.8 with NumPy and ONNX Runtime, and
imports nothing else of this package.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

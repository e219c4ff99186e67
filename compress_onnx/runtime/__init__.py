"""Where ONNX Runtime sessions live: predictions, fusion receipts, latency, and what this CPU can do.

Each module imports the runtime itself; this package imports nothing, so that ``--help`` stays fast.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

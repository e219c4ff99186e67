"""Pruning, quantization and repair on the ONNX graph; every result is checked against its source."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

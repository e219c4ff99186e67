"""ONNX Runtime as every stage meets it: sessions, its failures as sentences, and the arithmetic of its integer kernels."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

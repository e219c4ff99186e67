"""PyTorch modules to checked ONNX graphs, and parity with PyTorch. A door to torch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

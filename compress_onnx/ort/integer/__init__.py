"""The arithmetic of ONNX Runtime's integer kernels, bit for bit: what each class of CPU adds, and what int16 loses."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

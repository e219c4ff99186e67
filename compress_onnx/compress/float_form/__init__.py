"""The float model that is quantized: folded as ONNX Runtime would at load, in plain operators and float32."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

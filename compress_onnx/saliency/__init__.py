"""Where the models look: a PyTorch twin of the ONNX file, attributions through it, and how they move.

Importing this package imports neither torch nor captum; its modules do, and the extra ``torch``
brings both (``compress_onnx.extras``).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

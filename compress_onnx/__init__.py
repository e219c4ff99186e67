"""The referee for compressed image classifiers: ``import compress_onnx as co``.

Every command of the command line is one call. What a call needs is loaded when it is first asked for: importing this
package imports neither torch nor onnxruntime.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

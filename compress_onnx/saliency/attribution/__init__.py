"""Attributions: which pixels a logit depends on. The only door to captum.

A method is a function ``(module, inputs, targets) -> attributions``, found by name through the
extension point ``compress_onnx.attributions``. :func:`batch_maps` turns what it gives into maps.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

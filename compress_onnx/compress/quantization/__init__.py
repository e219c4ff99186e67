"""Static post-training quantization to 8-bit activations and 8-bit, 4-bit or mixed weights."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""The plain form of a model: the same function with its constants as initializers and fused operators taken apart."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""The census: every weight of a model, wherever it lies, its width and zeros, and whether compression reaches it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

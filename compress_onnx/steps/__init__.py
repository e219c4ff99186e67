"""One step from a model to what is made or said of it: export, prune, quantize, search, inspect."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

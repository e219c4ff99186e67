"""One cell of a study: a trained network on its data, compressed by recipes and compared with what it was."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

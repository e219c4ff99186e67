"""The commands, one module each: arguments become a call of the library, and its result is printed."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

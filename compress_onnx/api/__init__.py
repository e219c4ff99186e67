"""The front door for Python: every command in one call, with the defaults and the errors of the command line."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

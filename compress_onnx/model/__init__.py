"""Models as files and graphs: read and written whole, identified, described, counted and brought into plain form."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Weighted layers as compression sees them: rows per output channel, their scales, who reads them, which can be repaired."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

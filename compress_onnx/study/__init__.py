"""Grids of networks, data sets and recipes: cells that are exported, compressed and compared, on whatever workers."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""The CPU at hand: what it is and can do, which cores are used, what of a file it fuses and where it would saturate."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""A grid of cells: what a specification asks for, where its cells lie, how they are run to the end, and what they sum up to."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

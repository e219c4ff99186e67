"""Which channels of a network belong together, followed through every operator, and how they are cut out of the graph."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

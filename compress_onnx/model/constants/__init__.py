"""What is constant in a graph: its regions, the values of what is stored or computed at load, and what it is made of."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

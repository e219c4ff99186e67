"""Statistics that compare a baseline and a candidate classifier: pure NumPy and SciPy.

Start with :class:`LogitPair` and :func:`compare_outputs`; the single metrics stand in their modules.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Statistics that compare a baseline and a candidate classifier: pure NumPy and SciPy.

Start with :class:`LogitPair` and :func:`compare_outputs`. ``outputs`` holds the metrics of predictions, ``saliency``
those of maps, ``statistics`` the intervals and tests of both. To add one, write its module there, its record, and its
line in ``compare.py``.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

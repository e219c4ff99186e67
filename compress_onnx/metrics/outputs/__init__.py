"""What two classifiers' outputs on the same samples say, one metric per module.

All read a :class:`LogitPair`, are undefined with a reason where it has no labels for them, and return records.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

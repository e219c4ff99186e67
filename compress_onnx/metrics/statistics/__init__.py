"""What the metrics stand on: intervals, tests and resampling of counts and per-sample values."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Latency: interleaved rounds in fresh processes, quantiles and speed-up, what disturbed them, and why nothing got faster."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

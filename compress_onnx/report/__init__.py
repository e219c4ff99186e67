"""The report people look at: one self-contained HTML file from a run's record, samples and pictures."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

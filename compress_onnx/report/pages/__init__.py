"""Whole pages: a run's report, a study's and a bench's, each as one file that needs no network."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""The sections of a run's report: one topic each, with its words, tables, charts and template."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""What sections and pages share: blocks and cells, numbers as text, charts and pictures, a report's input, templates and files."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

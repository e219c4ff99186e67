"""Every option, declared once, where things are looked up, and how long steps tell where they are."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

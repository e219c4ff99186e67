"""How long a call takes; its tables and charts also serve the page of ``bench``."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Option groups: each owns its flags, how their texts become values, and what is refused before any work begins."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

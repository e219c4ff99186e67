"""How far saliency maps moved: per pair of maps, over a group of samples, per class, and on the scale of its anchors."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""What calibration images tell: ranges of activations, second moments of layers' inputs, channels' means and variances."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

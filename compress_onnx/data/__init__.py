"""Images from named data sets, Parquet, folders, archives, arrays and batches of a loader, and which of them calibrate."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

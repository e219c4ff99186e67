"""Records and arrays to disk and back: validated on reading, whole or not at all on writing.

A run's folder holds ``run.json`` (the :class:`~compress_onnx.records.RunRecord`),
``predictions/<artifact>.npz``, ``saliency/<artifact>.npz`` (mean saliency maps and two examples),
``samples.parquet`` (one row per sample and candidate) and ``pictures.parquet`` (PNG bytes of the samples that
the report shows).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Cells to workers and back: what is sent, who runs it, and what comes back.

Whoever runs cells is a :class:`concurrent.futures.Executor` found by entry point; ``local`` (processes of this
machine) and ``dask`` (a cluster) come with the package. The only package that knows Dask.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

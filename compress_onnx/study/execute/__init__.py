"""Cells to workers and back: what is sent, who runs it, and what comes back.

Whoever runs cells is a :class:`concurrent.futures.Executor` found by entry point; ``local`` (processes of this
machine) and ``dask`` (a cluster) come with the package. The only package that knows Dask.
"""

"""Where ONNX Runtime sessions live: predictions, fusion receipts, latency, and what this CPU can do.

Each module imports the runtime itself; this package imports nothing, so that ``--help`` stays fast.
"""

"""Pruning and quantisation on the ONNX graph, and what the result weighs."""

"""Pruning and quantization on the ONNX graph, and what the result weighs."""

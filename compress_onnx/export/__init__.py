"""PyTorch modules to ONNX files, with proof that both compute the same."""

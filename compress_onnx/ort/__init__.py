"""ONNX Runtime as every stage meets it: sessions, its failures as sentences, and the arithmetic of its integer kernels."""

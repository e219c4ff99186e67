"""Where the models look: a PyTorch twin of the ONNX file, attributions through it, and how they move.

Importing this package imports neither torch nor captum; its modules do, and the extra ``torch``
brings both (``compress_onnx.extras``).
"""

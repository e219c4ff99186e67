"""``python -m compress_onnx`` is ``compress-onnx``."""

from compress_onnx.cli import main

if __name__ == "__main__":
    main()

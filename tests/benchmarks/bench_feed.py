"""What both sides are fed: the same random images; free of torch, so that a weighed process is light."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from onnxruntime.quantization.calibrate import CalibrationDataReader


def random_images(n: int, *, batch: int) -> Iterator[NDArray[np.float32]]:
    """Yield n images in batches (batch, 3, 32, 32) float32, always the same ones."""
    rng = np.random.default_rng(0)
    for _ in range(0, n, batch):
        yield rng.standard_normal((batch, 3, 32, 32), dtype=np.float32)


class Reader(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime ships no types
    """Batches as ``quantize_static`` asks for them."""

    def __init__(self, batches: Iterable[NDArray[np.float32]]) -> None:
        self._feeds = ({"input": batch} for batch in batches)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._feeds, None)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep ONNX Runtime's chatter out of the table."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)

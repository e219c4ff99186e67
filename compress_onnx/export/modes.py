"""Eval mode for a while: a module comes back in the mode it came in, part by part."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def in_eval_mode(module: torch.nn.Module) -> Iterator[None]:
    """Put a module into eval mode within the block.

    ``module.train(mode)`` afterwards would also wake parts that were frozen on their own.
    """
    modes = {name: part.training for name, part in module.named_modules()}
    module.eval()
    try:
        yield
    finally:
        for name, part in module.named_modules():
            part.training = modes[name]

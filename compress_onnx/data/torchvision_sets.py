"""CIFAR-10 and GTSRB by name: from stored Parquet, else through torchvision once, then from Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from compress_onnx.data.images import ImageSet, checked_split
from compress_onnx.data.parquet import load_parquet, save_parquet
from compress_onnx.errors import DataError, MissingExtraError

Row: TypeAlias = dict[str, Any]

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
GTSRB_CLASSES = (
    "speed limit 20",
    "speed limit 30",
    "speed limit 50",
    "speed limit 60",
    "speed limit 70",
    "speed limit 80",
    "end of speed limit 80",
    "speed limit 100",
    "speed limit 120",
    "no passing",
    "no passing for heavy vehicles",
    "right-of-way at next intersection",
    "priority road",
    "yield",
    "stop",
    "no vehicles",
    "heavy vehicles prohibited",
    "no entry",
    "general caution",
    "dangerous curve left",
    "dangerous curve right",
    "double curve",
    "bumpy road",
    "slippery road",
    "road narrows on the right",
    "road work",
    "traffic signals",
    "pedestrians",
    "children crossing",
    "bicycles crossing",
    "beware of ice or snow",
    "wild animals crossing",
    "end of all limits",
    "turn right ahead",
    "turn left ahead",
    "ahead only",
    "go straight or right",
    "go straight or left",
    "keep right",
    "keep left",
    "roundabout mandatory",
    "end of no passing",
    "end of no passing for heavy vehicles",
)
GTSRB_SIZE = 32
# GTSRB's own flaw, in its full training set: 8 test images repeat images of this class and track.
_LEAKED_CLASS, _LEAKED_TRACK = 14, 23


def load_cifar10(split: str, root: Path) -> ImageSet:
    """Load CIFAR-10 (Krizhevsky 2009): 50,000 training or 10,000 test images, 32x32, 10 classes."""
    path = _stored("cifar10", split, root)
    if not path.is_file():
        save_parquet(path, _cifar10_rows(split, root), class_names=CIFAR10_CLASSES)
    return load_parquet(path, name="cifar10", split=split)


def load_gtsrb(split: str, root: Path) -> ImageSet:
    """Load GTSRB (Stallkamp et al. 2011): 26,640 training or 12,630 test images, 43 classes, as 32x32.

    Track 23 of class 14, a stop sign that 8 test images are said to repeat pixel by pixel, is left
    out of the training split. The 26,640 images of torchvision's split hold tracks 0 to 17 of that
    class, and none of them equals a test image, so only a fuller stored copy loses images by this
    rule. ``groups`` numbers the signs.
    """
    path = _stored("gtsrb", split, root)
    if not path.is_file():
        save_parquet(path, _gtsrb_rows(split, root), class_names=GTSRB_CLASSES)
    images = load_parquet(path, name="gtsrb", split=split)
    return images if split == "test" else _without_leak(images)


def _stored(name: str, split: str, root: Path) -> Path:
    return root / name / f"{checked_split(name, split)}.parquet"


def _without_leak(images: ImageSet) -> ImageSet:
    leaked = f"{_LEAKED_CLASS:05d}_{_LEAKED_TRACK:05d}_"
    kept = np.flatnonzero(~np.char.startswith(images.sample_ids, leaked)).astype(np.int64)
    return images if len(kept) == len(images) else images.subset(kept, split=images.info.split)


def _cifar10_rows(split: str, root: Path) -> Iterator[Row]:
    dataset = _torchvision("CIFAR10", root, train=split == "train")
    for index in range(len(dataset)):
        picture, label = dataset[index]
        yield {"image": {"bytes": _png(picture), "path": f"{split}/{index:05d}.png"}, "label": label}


def _gtsrb_rows(split: str, root: Path) -> Iterator[Row]:
    dataset = _torchvision("GTSRB", root, split=split)
    for index in range(len(dataset)):
        picture, label = dataset[index]
        # The files of a class are named <track>_<frame>.ppm; torchvision keeps names only here.
        stem = Path(dataset._samples[index][0]).stem  # noqa: SLF001  # no public way to the file names
        small = picture.resize((GTSRB_SIZE, GTSRB_SIZE), Image.Resampling.BILINEAR)
        if split == "test":
            yield {"image": {"bytes": _png(small), "path": f"{stem}.png"}, "label": label}
        else:
            image = {"bytes": _png(small), "path": f"{label:05d}_{stem}.png"}
            yield {"image": image, "label": label, "track": int(stem.split("_")[0])}


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format="PNG")
    return stream.getvalue()


def _torchvision(name: str, root: Path, **options: Any) -> Any:
    """Open torchvision's data set under ``root``, downloading it where its own files are not there yet."""
    try:
        from torchvision import datasets
    except ImportError as error:
        raise MissingExtraError(
            "the packages of the extra 'torch'",
            "no module torchvision",
            where=f"the data set {name.lower()}, not stored under {root}",
            remedy="pip install 'compress-onnx[torch]'",
        ) from error
    try:
        return getattr(datasets, name)(root, download=True, **options)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise DataError(
            f"{name} stored or to be downloaded by torchvision",
            f"{type(error).__name__}: {error}",
            where=root / name.lower(),
            remedy="Connect to the network, or set COMPRESS_ONNX_DATA to a folder that holds it.",
        ) from error

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from compress_onnx.data.images import ImageSet, checked_split, decoded, valid_labels
from compress_onnx.errors import DataError, UnknownNameError
from compress_onnx.records.artifacts import Preprocessing

SMALL = Preprocessing(height=4, width=5, mean=(0.0,) * 3, std=(1.0,) * 3)


def test_batches_hold_every_picture_in_order(make_set: Callable[..., ImageSet], pictures: NDArray[np.uint8]) -> None:
    batches = list(make_set(pictures, None).batches(SMALL, size=4))
    assert [len(b) for b in batches] == [4, 2]
    np.testing.assert_allclose(np.concatenate(batches), pictures.transpose(0, 3, 1, 2) / 255, rtol=1e-6)


def test_an_empty_set_has_no_batches(make_set: Callable[..., ImageSet], pictures: NDArray[np.uint8]) -> None:
    assert list(make_set(pictures[:0], None).batches(SMALL)) == []


def test_a_subset_keeps_ids_labels_and_pictures_together(
    make_set: Callable[..., ImageSet], pictures: NDArray[np.uint8]
) -> None:
    whole = make_set(pictures, np.arange(6))
    part = whole.subset(np.array([4, 1]), split="some")
    assert part.info.n == len(part) == 2
    assert part.info.split == "some"
    assert part.info.sha256 != whole.info.sha256
    assert part.sample_ids.tolist() == ["made/4", "made/1"]
    assert part.labels is not None
    assert part.labels.tolist() == [4, 1]
    np.testing.assert_array_equal(part.read(0), pictures[4])


def test_content_hash_is_of_pixels_not_of_the_file_format(
    make_set: Callable[..., ImageSet], pictures: NDArray[np.uint8], encode: Callable[[NDArray[np.uint8]], bytes]
) -> None:
    stream = io.BytesIO()
    Image.fromarray(pictures[0]).save(stream, format="BMP")
    twins = np.stack([decoded(encode(pictures[0]), "a"), decoded(stream.getvalue(), "b"), pictures[1]])
    hashes = [make_set(twins, None).content_sha256(i) for i in range(3)]
    assert hashes[0] == hashes[1] != hashes[2]
    turned = make_set(twins.reshape(3, 5, 4, 3), None).content_sha256(0)
    assert turned != hashes[0], "equal bytes of another shape are another picture"


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "CMYK"])
def test_every_color_mode_becomes_rgb(mode: str, pictures: NDArray[np.uint8]) -> None:
    stream = io.BytesIO()
    Image.fromarray(pictures[0]).convert(mode).save(stream, format="TIFF")
    assert decoded(stream.getvalue(), "a").shape == (4, 5, 3)


def test_broken_bytes_are_not_repeated_in_the_sentence() -> None:
    with pytest.raises(
        DataError, match=r"a picture that decodes, got .{1,120} \(a.png\)\. Replace or remove"
    ) as caught:
        decoded(b"\0" * 10_000, "a.png")
    assert len(str(caught.value)) < 300


def test_valid_labels_pass_and_others_do_not() -> None:
    labels = np.array([0, 2, 1])
    assert valid_labels(labels, ("a", "b", "c"), where="x") is labels
    assert valid_labels(labels[:0], (), where="x").size == 0
    with pytest.raises(DataError, match=r"labels from 0 to 1, got 2 in row 1 \(x\)"):
        valid_labels(labels, ("a", "b"), where="x")
    with pytest.raises(DataError, match="got -1 in row 0"):
        valid_labels(labels - 1, ("a", "b"), where="x")


def test_an_unknown_split_gets_near_names() -> None:
    assert checked_split("gtsrb", "train") == "train"
    with pytest.raises(UnknownNameError, match=r"a split, got 'trian' \(gtsrb:trian\)\. Did you mean train\?"):
        checked_split("gtsrb", "trian")

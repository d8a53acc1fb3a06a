#!/usr/bin/env python3
"""PyTorch on an NVIDIA GPU, for scripts/check-gpu: random networks, eager and as a CUDA graph.

A sample starts with uint8 pixels on the device and ends with f32 outputs in host memory, as a sample of
fmnist-gpu does. In between the pixels are normalized, and the layers run: relu, and softmax behind the last one.
f32 is computed without TF32; f16 has weights and values in f16, and the softmax in f32.

Prints JSON, one object a line: first about the machine, then one for each network, batch size, precision
and way to run, as soon as it is measured. Without PyTorch or a CUDA device, the only line says what is missing.
`--device cpu` runs the same without graphs, to try this program where there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

try:
    import torch
except ImportError as error:
    version = ".".join(map(str, sys.version_info[:3]))
    print(json.dumps({"status": "skipped", "detail": f"this Python ({version}) has no PyTorch: {error}"}))
    sys.exit()

WARM_UP = 5
MOST_SAMPLES = 1000


def network(widths: list[int], dtype: torch.dtype, device: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """A network with random weights (He): its outputs mean nothing, its time does not depend on them."""
    generator = torch.Generator().manual_seed(1)
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        weight = torch.randn(outputs, inputs, generator=generator) * (2 / inputs) ** 0.5
        bias = torch.randn(outputs, generator=generator) * 0.01
        layers.append((weight.to(device, dtype), bias.to(device, dtype)))

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        x = pixels.to(dtype) / 255
        for index, (weight, bias) in enumerate(layers):
            x = torch.nn.functional.linear(x, weight, bias)
            if index + 1 < len(layers):
                x = torch.relu(x)
        return torch.softmax(x.float(), dim=1)

    return forward


def eager(forward: Callable, pixels: torch.Tensor, host: torch.Tensor) -> Callable[[], None]:
    """A sample that starts every operation anew."""

    def sample() -> None:
        host.copy_(forward(pixels), non_blocking=True)
        if pixels.is_cuda:
            torch.cuda.synchronize()

    return sample


def graph(forward: Callable, pixels: torch.Tensor, host: torch.Tensor) -> Callable[[], None]:
    """A sample that replays one recording of all operations, the copy to the host included."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            host.copy_(forward(pixels), non_blocking=True)
    torch.cuda.current_stream().wait_stream(stream)
    recording = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recording):
        host.copy_(forward(pixels), non_blocking=True)

    def sample() -> None:
        recording.replay()
        torch.cuda.synchronize()

    return sample


def times(sample: Callable[[], None], seconds: float) -> list[int]:
    """Nanoseconds of each sample: at least five, and then for so long."""
    for _ in range(WARM_UP):
        sample()
    measured = []
    end = time.monotonic() + seconds
    while len(measured) < 5 or (time.monotonic() < end and len(measured) < MOST_SAMPLES):
        begin = time.perf_counter_ns()
        sample()
        measured.append(time.perf_counter_ns() - begin)
    return measured


def measure(widths: list[int], batch: int, precision: str, device: str, seconds: float) -> None:
    """Times one network in every way to run it, and prints a line for each."""
    dtype = {"f32": torch.float32, "f16": torch.float16}[precision]
    row = {"network": "-".join(map(str, widths)), "batch": batch, "precision": precision}
    ways = [("eager", eager), ("graph", graph)] if device == "cuda" else [("eager", eager)]
    for name, way in ways:
        try:
            forward = network(widths, dtype, device)
            pixels = torch.randint(0, 256, (batch, widths[0]), dtype=torch.uint8).to(device)
            host = torch.empty(batch, widths[-1], pin_memory=device == "cuda")
            measured = times(way(forward, pixels, host), seconds)
            ok = bool(torch.allclose(host.sum(1), torch.ones(batch), atol=1e-3))
            result = {
                "status": "ok" if ok else "failed",
                "detail": None if ok else "the outputs of an image do not add up to 1",
                "median_ns": int(statistics.median(measured)),
                "min_ns": min(measured),
                "samples": len(measured),
            }
        except RuntimeError as error:
            # Out of memory, or an operation that this version does not have.
            result = {"status": "failed", "detail": str(error).splitlines()[0]}
        print(json.dumps({**row, "run": name, **result}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="times PyTorch on random networks")
    parser.add_argument("--network", action="append", required=True, help="widths, for example 784-64-10")
    parser.add_argument("--batch", default="10000,1000,32,1", help="sizes with commas between them")
    parser.add_argument("--precision", default="f32,f16")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--seconds", type=float, default=0.3, help="for the samples of each row")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        detail = f"PyTorch {torch.__version__} finds no CUDA device"
        print(json.dumps({"status": "skipped", "detail": detail}))
        return
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    about = {
        "status": "ok",
        "version": torch.__version__,
        "device": torch.cuda.get_device_name() if arguments.device == "cuda" else "cpu",
        "cuda": torch.version.cuda,
        "tf32": False,
    }
    print(json.dumps(about), flush=True)
    with torch.inference_mode():
        for text in arguments.network:
            for batch in map(int, arguments.batch.split(",")):
                for precision in arguments.precision.split(","):
                    widths = [int(width) for width in text.split("-")]
                    measure(widths, batch, precision, arguments.device, arguments.seconds)


if __name__ == "__main__":
    main()

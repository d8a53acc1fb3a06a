"""ONNX Runtime: f32 and dynamically quantized int8 on the CPU, f32 and f16 by WebGPU."""

import argparse
import os
import pathlib
import sys
import tempfile

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import protocol

PROVIDERS = {"cpu": "CPUExecutionProvider", "webgpu": "WebGpuExecutionProvider"}


def graph(nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, "network", inputs, outputs, list(initializers))
    # Versions that every runtime of the last years reads.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def identity():
    """Hands ten floats through: what a call from Python costs."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 10]) for name in "xy"]
    return graph([helper.make_node("Identity", ["x"], ["y"])], value[:1], value[1:])


def network(layers, batch, half, floats):
    """From bytes to outputs in f32; with `floats` from pixels that are f32 between 0 and 1 already."""
    real = numpy.float16 if half else numpy.float32
    wide = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    if floats:
        nodes, initializers = [helper.make_node("Cast", ["pixels"], ["x0"], to=wide)], []
    else:
        nodes = [
            helper.make_node("Cast", ["pixels"], ["bytes"], to=TensorProto.FLOAT),
            helper.make_node("Div", ["bytes", "most"], ["unit"]),
            helper.make_node("Cast", ["unit"], ["x0"], to=wide),
        ]
        initializers = [numpy_helper.from_array(numpy.float32(255), "most")]
    for index, (weight, bias, activation) in enumerate(layers):
        z, y = f"z{index}", f"x{index + 1}"
        names = [f"w{index}", f"b{index}"]
        initializers += map(numpy_helper.from_array, [weight.astype(real), bias.astype(real)], names)
        # A product and a sum, not a Gemm: the quantizer takes products.
        nodes.append(helper.make_node("MatMul", [f"x{index}", names[0]], [f"p{index}"]))
        nodes.append(helper.make_node("Add", [f"p{index}", names[1]], [z]))
        if activation == "softmax":
            # In f32 whatever the precision, as ours is.
            nodes.append(helper.make_node("Cast", [z], [f"f{index}"], to=TensorProto.FLOAT))
            nodes.append(helper.make_node("Softmax", [f"f{index}"], [y], axis=-1))
        else:
            nodes.append(helper.make_node("Relu", [z], [y]))
    width, outputs = layers[0][0].shape[0], layers[-1][0].shape[1]
    stored = TensorProto.FLOAT if floats else TensorProto.UINT8
    pixels = helper.make_tensor_value_info("pixels", stored, [batch, width])
    last = helper.make_tensor_value_info(y, TensorProto.FLOAT, [batch, outputs])
    return graph(nodes, [pixels], [last], initializers)


def quantized(model):
    """Weights to int8 once, activations to uint8 at each run, with one scale a tensor."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "int8.onnx"
        quantize_dynamic(model, path, weight_type=QuantType.QInt8)
        return onnx.load(path)


def main():
    parser = protocol.parser(["f32", "f16", "int8"])
    parser.add_argument("--provider", choices=PROVIDERS, default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="its own default where it is 0")
    parser.add_argument("--floats", action="store_true", help="pixels are f32 before the clock starts")
    parser.add_argument("--identity", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if (arguments.provider, arguments.precision) in [("cpu", "f16"), ("webgpu", "int8")]:
        sys.exit(f"{arguments.precision} is not tried with the provider {arguments.provider}")
    onnxruntime.set_default_logger_severity(4)
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    # Its threads may spin while it runs, but not on while others are measured.
    options.add_session_config_entry("session.force_spinning_stop", "1")

    if arguments.identity:
        model, feed = identity(), {"x": numpy.zeros((1, 10), numpy.float32)}
    else:
        layers = protocol.read_model(arguments.model)
        half = arguments.precision == "f16"
        model = network(layers, arguments.batch, half, arguments.floats)
        if arguments.precision == "int8":
            model = quantized(model)
        images = protocol.read_images(arguments.batch)
        if arguments.floats:
            images = images.astype(numpy.float32) / numpy.float32(255)
        feed = {"pixels": images}
    provider = PROVIDERS[arguments.provider]
    # Without this it would run on the processor where the provider asked for does not open.
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=[provider], enable_fallback=0
        )
    except Exception as error:  # Its errors have no common class.
        reason = str(error).strip().splitlines()[-1].split(" was false. ")[-1]
        sys.exit(f"{provider} does not open: {reason}")
    if session.get_providers()[0] != provider:
        sys.exit(f"{provider} does not open")
    details = {
        "version": onnxruntime.__version__,
        "adapter": f"CPU, {os.cpu_count()} cores" if arguments.provider == "cpu" else None,
        "kernel": "an identity graph" if arguments.identity else "",
        "starts": "f32 on the host" if arguments.floats else "pixels on the host",
    }
    sample = lambda: session.run(None, feed)[0]
    protocol.serve("ONNX Runtime", details, sample, arguments.outputs)


if __name__ == "__main__":
    main()

"""ncnn with its Vulkan back end, through its Python module. It takes f32 from the host."""

import pathlib
import sys
import tempfile

import ncnn
import numpy

import protocol

RELU = 1


def description(layers):
    """The network as ncnn's text, and its weights as ncnn's binary file."""
    lines = [f"Input in 0 1 x0 0={layers[0][0].shape[0]}"]
    weights = b""
    for index, (weight, bias, activation) in enumerate(layers):
        inputs, outputs = weight.shape
        relu = f" 9={RELU}" if activation == "relu" else ""
        lines.append(
            f"InnerProduct fc{index} 1 1 x{index} x{index + 1}"
            f" 0={outputs} 1=1 2={inputs * outputs}{relu}"
        )
        if activation == "softmax":
            # Axis 1 of a matrix is that of its columns, axis 0 the only one of a vector.
            lines.append(f"Softmax out 1 1 x{index + 1} y 0={{axis}} 1=1")
        # Four zero bytes: what follows is f32. ncnn keeps [out, in].
        weights += bytes(4) + weight.T.astype("<f4").tobytes() + bias.astype("<f4").tobytes()
    return [f"7767517\n{len(lines)} {len(lines)}", *lines], weights


def main():
    arguments = protocol.parser(["f32", "f16"]).parse_args()
    names = [ncnn.get_gpu_info(index).device_name() for index in range(ncnn.get_gpu_count())]
    if not names:
        sys.exit("ncnn finds no Vulkan device")
    matching = [name for name in names if (arguments.adapter or "") in name]
    if not matching:
        sys.exit(f"ncnn has no device {arguments.adapter}, only {', '.join(names)}")
    layers = protocol.read_model(arguments.model)
    x = protocol.read_images(arguments.batch).astype(numpy.float32) / numpy.float32(255)
    if arguments.batch == 1:
        x = x[0]

    net = ncnn.Net()
    half = arguments.precision == "f16"
    options = net.opt
    options.use_vulkan_compute = True
    options.use_fp16_packed = options.use_fp16_storage = options.use_fp16_arithmetic = half
    options.use_bf16_packed = options.use_bf16_storage = False
    # Its threads must not spin on while others are measured.
    options.openmp_blocktime = 0
    net.set_vulkan_device(names.index(matching[0]))
    lines, weights = description(layers)
    with tempfile.TemporaryDirectory() as folder:
        param, model = pathlib.Path(folder) / "net.param", pathlib.Path(folder) / "net.bin"
        param.write_text("\n".join(lines).format(axis=int(arguments.batch > 1)) + "\n")
        model.write_bytes(weights)
        if net.load_param(str(param)) or net.load_model(str(model)):
            sys.exit("ncnn does not load the network")
    matrix = ncnn.Mat(x)

    def sample():
        extractor = net.create_extractor()
        extractor.input("x0", matrix)
        failed, outputs = extractor.extract("y")
        if failed:
            sys.exit(f"ncnn fails to run: {failed}")
        return outputs

    details = {
        "version": ncnn.__version__,
        "adapter": matching[0],
        "backend": "vulkan",
        "kernel": "InnerProduct",
        "starts": "f32 on the host",
    }
    protocol.serve("ncnn", details, sample, arguments.outputs)


if __name__ == "__main__":
    main()

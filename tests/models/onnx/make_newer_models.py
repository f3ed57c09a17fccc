#!/usr/bin/env python3
"""Writes opset18.onnx to opset21.onnx beside this file, with NAME.safetensors: inputs x and the outputs y that ONNX Runtime gives.

Usage: python3 make_newer_models.py   (needs onnx, and node with the package onnxruntime-node 1.18 in NODE_PATH)

PyTorch's exporter and Debian's onnx end at opset 17, so these networks are put together by hand of what changed since.
"""
import pathlib
import subprocess
import tempfile

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from make_models import write_safetensors

HERE = pathlib.Path(__file__).parent
RUN = """
const ort = require('onnxruntime-node'), fs = require('fs');
const [model, from, to, ...shape] = process.argv.slice(1);
const bytes = fs.readFileSync(from);
const x = new ort.Tensor('float32', new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4), shape.map(Number));
ort.InferenceSession.create(model).then(s => s.run({x})).then(r => fs.writeFileSync(to, Buffer.from(r.y.data.buffer)));
"""
SAMPLES = 3


class Builder:
    def __init__(self, seed):
        self.generator = np.random.default_rng(seed)
        self.nodes, self.initializers, self.count = [], [], 0

    def constant(self, values, kind=np.float32):
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.array(values, kind), name))
        return name

    def weight(self, *shape):
        return self.constant(self.generator.normal(size=shape) * 0.5)

    def add(self, op, inputs, outputs=1, **attributes):
        names = [f"h{self.count + i}" for i in range(outputs)]
        self.count += outputs
        self.nodes.append(helper.make_node(op, inputs, names, name=f"{op}_{self.count}", **attributes))
        return names[0] if outputs == 1 else names


def opset18(b):
    """Axes that became inputs, parts by number, padding of some axes, smoothed resizing."""
    h = b.add("Conv", ["x", b.weight(7, 3, 3, 3)], pads=[1, 1, 1, 1])
    h = b.add("Pad", [h, b.constant([1, 2], np.int64), b.constant(0.5), b.constant([3], np.int64)])
    h = b.add("Resize", [h, "", "", b.constant([5, 6], np.int64)], mode="linear", antialias=1, axes=[2, 3])
    parts = b.add("Split", [h], 3, axis=1, num_outputs=3)  # 3, 3 and 1 channels
    h = b.add("Concat", [parts[2], parts[0]], axis=1)
    h = b.add("ReduceL2", [h, b.constant([3], np.int64)], keepdims=0)
    h = b.add("ReduceMax", [h, b.constant([-1], np.int64)], keepdims=0)
    return b.add("Gemm", [h, b.weight(4, 5)])


def opset19(b):
    """Dilated averages, padding that wraps around."""
    h = b.add("Pad", ["x", b.constant([0, 0, 1, 2, 0, 0, 1, 0], np.int64)], mode="wrap")
    h = b.add("AveragePool", [h], kernel_shape=[2, 2], dilations=[2, 3], strides=[2, 1], pads=[1, 1, 0, 0])
    h = b.add("Resize", [h, "", b.constant([1, 1, 1.7, 1.3])], mode="linear", coordinate_transformation_mode="half_pixel_symmetric")
    h = b.add("GlobalAveragePool", [h])
    return b.add("Gemm", [b.add("Flatten", [h]), b.weight(3, 5)])


def opset20(b):
    """GELU as one operator."""
    h = b.add("Flatten", [b.add("AveragePool", ["x"], kernel_shape=[4, 4], strides=[4, 4])])
    h = b.add("Gelu", [b.add("MatMul", [h, b.weight(12, 8)])])
    h = b.add("Gelu", [b.add("MatMul", [h, b.weight(8, 8)])], approximate="tanh")
    h = b.add("LayerNormalization", [h, b.weight(8), b.weight(8)], epsilon=1e-3)
    return b.add("MatMul", [h, b.weight(8, 5)])


def opset21(b):
    """Quantized weights, and shapes."""
    w = b.constant(b.generator.integers(-100, 100, (6, 3, 2, 2)), np.int8)
    w = b.add("DequantizeLinear", [w, b.constant(np.full(6, 0.01)), b.constant(np.arange(6), np.int8)], axis=0)
    h = b.add("Relu", [b.add("Conv", ["x", w], strides=[2, 2])])
    shape = b.add("Concat", [b.add("Shape", [h], start=0, end=1), b.constant([-1], np.int64)], axis=0)
    h = b.add("Reshape", [h, shape])
    h = b.add("HardSwish", [b.add("MatMul", [h, b.weight(96, 4)])])
    return b.add("MatMul", [h, b.weight(4, 5)])


for version, network in {18: opset18, 19: opset19, 20: opset20, 21: opset21}.items():
    b = Builder(version)
    last = network(b)
    b.nodes[-1].output[0] = "y"
    assert last == f"h{b.count - 1}"
    graph = helper.make_graph(b.nodes, f"opset{version}", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])], b.initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=8)
    path = HERE / f"opset{version}.onnx"
    path.write_bytes(model.SerializeToString())
    x = b.generator.normal(size=(SAMPLES, 3, 8, 8)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        x.tofile(f"{folder}/x")
        subprocess.run(["node", "-e", RUN, str(path), f"{folder}/x", f"{folder}/y", *map(str, x.shape)], check=True)
        y = np.fromfile(f"{folder}/y", np.float32).reshape(SAMPLES, -1)
    write_safetensors(HERE / f"opset{version}.safetensors", x=x, y=y)

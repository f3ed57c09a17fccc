#!/usr/bin/env python3
"""Writes the small networks beside this file, each NAME.onnx with NAME.safetensors: inputs x and the outputs y that PyTorch gives.

Usage: python3 make_models.py   (needs torch 1.13 and onnx 1.12)
"""
import pathlib
import json

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from timm_vit import VisionTransformer

HERE = pathlib.Path(__file__).parent


def write_safetensors(path, **tensors):
    header, data = {}, b""
    for name, value in tensors.items():
        value = np.ascontiguousarray(value, np.float32)
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [len(data), len(data) + value.nbytes]}
        data += value.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


class ConvNet(nn.Module):
    """Strides, groups, uneven padding, batch norms, a squeeze-and-excitation block and a residual, as mobile networks have them."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.squeeze = nn.Conv2d(8, 4, 1)
        self.excite = nn.Conv2d(4, 8, 1)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = nn.functional.pad(x, (0, 1, 0, 1))
        x = nn.functional.max_pool2d(nn.functional.hardswish(self.norm(self.stem(x))), 2)
        y = nn.functional.relu6(self.depthwise(x))
        gate = nn.functional.hardsigmoid(self.excite(nn.functional.silu(self.squeeze(y.mean((2, 3), keepdim=True)))))
        x = x + y * gate
        return self.head(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


class Vit(nn.Module):
    """A class token, one block of pre-norm attention written out, and the shape arithmetic that comes with a free batch."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.positions = nn.Parameter(torch.randn(1, 5, 8))
        self.norm1, self.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.qkv, self.proj = nn.Linear(8, 24), nn.Linear(8, 8)
        self.fc1, self.fc2 = nn.Linear(8, 16), nn.Linear(16, 8)
        self.head = nn.Linear(8, 3)

    def attention(self, x):
        n, t, d = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, 2, d // 2).permute(2, 0, 3, 1, 4)
        weights = ((q @ k.transpose(-2, -1)) * (d // 2) ** -0.5).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(n, t, d))

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        x = x + self.attention(self.norm1(x))
        x = x + self.fc2(nn.functional.gelu(self.fc1(self.norm2(x))))
        return self.head(x[:, 0])


class Windows(nn.Module):
    """Shifted windows as in Swin: the batch is multiplied by the windows, masked, and divided again. Time comes first in the end, so
    that the batch lies between the rows of a matrix."""

    def __init__(self):
        super().__init__()
        self.fc, self.mix, self.head = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.register_buffer("mask", torch.randn(4, 4, 4))

    def forward(self, x):
        x = torch.roll(self.fc(x.permute(0, 2, 3, 1)), (-1, -1), (1, 2))
        n, h, w, c = x.shape
        x = x.view(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, c)
        scores = x @ x.transpose(1, 2)
        scores = scores.view(n, 4, 4, 4) + self.mask.unsqueeze(0)
        x = (scores.view(-1, 4, 4).softmax(-1) @ x).view(n, 16, c).transpose(0, 1)
        x = torch.tanh(self.mix(x.reshape(16 * n, c))).view(16, n, c).transpose(0, 1)
        return self.head(x.mean(1))


class FakeQuantized(nn.Module):
    """Weights quantized by channel, activations as a whole, of 8 bits and of 7, as PyTorch trains and exports them."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 3)

    def activation(self, x, scale, zero, least, most):
        return torch.fake_quantize_per_tensor_affine(x, torch.tensor(scale), torch.tensor(zero, dtype=torch.int32), least, most)

    def weight(self, layer):
        w = layer.weight
        scale = torch.linspace(0.01, 0.02, w.shape[0])
        return torch.fake_quantize_per_channel_affine(w, scale, torch.zeros(w.shape[0], dtype=torch.int32), 0, -128, 127)

    def forward(self, x):
        x = self.activation(x, 0.02, 120, 0, 255)
        x = nn.functional.conv2d(x, self.weight(self.conv), self.conv.bias, padding=1)
        x = self.activation(nn.functional.relu(x), 0.03, 0, 0, 127)
        x = self.activation(x.mean((2, 3)), 0.01, 3, -128, 127)
        return nn.functional.linear(x, self.weight(self.fc), self.fc.bias)


def export(name, model, size, opset, baked=False):
    torch.manual_seed(3)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4)
    with torch.no_grad():
        model.train()(torch.randn(8, 3, size, size))  # for batch norms' statistics
    model.eval()
    x = torch.randn(3, 3, size, size)
    path = HERE / f"{name}.onnx"
    torch.onnx.export(model, x[:1], path, opset_version=opset, input_names=["x"], output_names=["y"],
                      dynamic_axes=None if baked else {"x": {0: "batch"}, "y": {0: "batch"}},
                      training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
    strip(path)
    with torch.no_grad():
        write_safetensors(HERE / f"{name}.safetensors", x=x.numpy(), y=model(x).numpy())


def strip(path):
    """Without the notes on where in a Python file each node was made."""
    model = onnx.load(path)
    for node in model.graph.node:
        node.doc_string = ""
    del model.graph.value_info[:]
    onnx.save(model, path)


def quantized():
    """8-bit weights with a scale a channel, behind DequantizeLinear, and their bias in another file."""
    generator = np.random.default_rng(5)
    weight = generator.integers(-127, 128, (4, 6), np.int8)
    scale = generator.uniform(0.01, 0.02, 4).astype(np.float32)
    zero = np.zeros(4, np.int8)
    bias = generator.normal(size=4).astype(np.float32)
    x = generator.normal(size=(2, 6)).astype(np.float32)
    outside = numpy_helper.from_array(bias, "fc.bias")
    onnx.external_data_helper.set_external_data(outside, "quantized.bin", offset=8, length=bias.nbytes)
    outside.ClearField("raw_data")
    (HERE / "quantized.bin").write_bytes(b"\0" * 8 + bias.tobytes())
    graph = helper.make_graph(
        [helper.make_node("DequantizeLinear", ["fc.weight", "scale", "zero"], ["w"], axis=0),
         helper.make_node("Gemm", ["x", "w", "fc.bias"], ["z"], transB=1), helper.make_node("Softmax", ["z"], ["y"])],
        "quantized", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(weight, "fc.weight"), numpy_helper.from_array(scale, "scale"), numpy_helper.from_array(zero, "zero"),
         outside])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    (HERE / "quantized.onnx").write_bytes(model.SerializeToString())
    write_safetensors(HERE / "quantized.safetensors", x=x, y=x @ (weight * scale[:, None]).T + bias)


def qdq():
    """As ONNX Runtime's static quantization writes a network: whole numbers for weights and biases, QuantizeLinear and
    DequantizeLinear before each layer, scales of an activation by channel."""
    generator = np.random.default_rng(6)
    w = generator.integers(-127, 128, (4, 3, 3, 3), np.int8)
    w_scale = generator.uniform(0.005, 0.01, 4).astype(np.float32)
    b = generator.integers(-2000, 2000, 4, np.int32)
    x_scale, x_zero = np.float32(0.02), np.uint8(120)
    h_scale, h_zero = generator.uniform(0.02, 0.04, 4).astype(np.float32), np.array([-128, -100, 0, 50], np.int8)
    fc = generator.integers(-127, 128, (4, 5), np.int8)
    fc_scale = np.float32(0.01)
    x = generator.normal(size=(2, 3, 6, 6)).astype(np.float32)
    constants = {"x_scale": x_scale, "x_zero": x_zero, "conv.weight_quantized": w, "w_scale": w_scale, "w_zero": np.zeros(4, np.int8), "conv.bias_quantized": b,
                 "b_scale": x_scale * w_scale, "h_scale": h_scale, "h_zero": h_zero, "fc.weight_quantized": fc, "fc_scale": fc_scale}
    add = helper.make_node
    nodes = [
        add("QuantizeLinear", ["x", "x_scale", "x_zero"], ["x_q"]), add("DequantizeLinear", ["x_q", "x_scale", "x_zero"], ["x_d"]),
        add("DequantizeLinear", ["conv.weight_quantized", "w_scale", "w_zero"], ["w"], axis=0),
        add("DequantizeLinear", ["conv.bias_quantized", "b_scale"], ["b"], axis=0),
        add("Conv", ["x_d", "w", "b"], ["h"], name="conv", pads=[1, 1, 1, 1]),
        add("QuantizeLinear", ["h", "h_scale", "h_zero"], ["h_q"], axis=1), add("DequantizeLinear", ["h_q", "h_scale", "h_zero"], ["h_d"], axis=1),
        add("GlobalAveragePool", ["h_d"], ["p"]), add("Flatten", ["p"], ["f"]),
        add("QuantizeLinear", ["f", "fc_scale"], ["f_q"]), add("DequantizeLinear", ["f_q", "fc_scale"], ["f_d"]),
        add("DequantizeLinear", ["fc.weight_quantized", "fc_scale"], ["fc_w"]), add("MatMul", ["f_d", "fc_w"], ["y"], name="fc")]
    graph = helper.make_graph(nodes, "qdq", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 6, 6])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])],
                              [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()])
    (HERE / "qdq.onnx").write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]).SerializeToString())
    h = torch.fake_quantize_per_tensor_affine(torch.from_numpy(x), float(x_scale), int(x_zero), 0, 255)
    h = torch.conv2d(h, torch.from_numpy(w * w_scale[:, None, None, None]), torch.from_numpy(b.astype(np.float32) * (x_scale * w_scale)), padding=1)
    h = torch.fake_quantize_per_channel_affine(h, torch.from_numpy(h_scale), torch.from_numpy(h_zero.astype(np.int32)), 1, -128, 127)
    h = torch.fake_quantize_per_tensor_affine(h.mean((2, 3)), float(fc_scale), 0, 0, 255)
    write_safetensors(HERE / "qdq.safetensors", x=x, y=(h @ torch.from_numpy(fc * fc_scale)).numpy())


if __name__ == "__main__":
    export("conv_net", ConvNet(), 16, opset=14, baked=True)
    export("vit", Vit(), 8, opset=13)
    export("windows", Windows(), 4, opset=12)
    quantized()
    export("timm_vit", VisionTransformer(8, 4, 3, width=8, depth=1, heads=2, gelu="tanh", layer_scale=0.1), 8, opset=14)
    export("fake_quantized", FakeQuantized(), 8, opset=13)
    qdq()

#!/usr/bin/env python3
"""Writes keras_mobilenet.onnx and keras_resnet.onnx beside this file, each with NAME.safetensors: inputs x and the logits y that
PyTorch gives for the same weights.

They are put together as tf2onnx writes Keras' applications: images [N, H, W, C] of a free batch, channels first behind a Transpose,
kernels brought from TensorFlow's order, ReLU6 as Clip, padding worked out or left to auto_pad, a softmax at the end.
Usage: python3 make_keras_models.py   (needs torch 1.13 and onnx 1.12)
"""
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper

from make_models import write_safetensors

HERE = pathlib.Path(__file__).parent
SIZE, CLASSES = 16, 5


class Graph:
    def __init__(self, name, seed):
        self.name, self.nodes, self.constants = name, [], {}
        self.generator = np.random.default_rng(seed)

    def constant(self, name, value):
        self.constants[name] = np.asarray(value)
        return name

    def weight(self, name, *shape):
        """Random numbers, with which values keep their size from layer to layer."""
        fan = np.prod(shape[1:]) if len(shape) > 1 else 4
        return self.constant(name, self.generator.normal(0, (2 / fan) ** 0.5, shape).astype(np.float32))

    def node(self, op, inputs, name, **attributes):
        """A node of the model's scope; its output is called as TensorFlow's tensors are."""
        path = f"StatefulPartitionedCall/{self.name}/{name}"
        self.nodes.append(helper.make_node(op, inputs, [f"{path}:0"], name=path, **attributes))
        return f"{path}:0"

    def batch_norm(self, x, name, channels):
        draw = self.generator
        parts = [(draw.uniform(0.5, 1.5, channels), "gamma"), (draw.normal(0, 0.3, channels), "beta"), (draw.normal(0, 0.3, channels), "moving_mean"),
                 (draw.uniform(0.5, 1.5, channels), "moving_variance")]
        names = [self.constant(f"{name}/{part}", value.astype(np.float32)) for value, part in parts]
        return self.node("BatchNormalization", [x] + names, f"{name}/FusedBatchNormV3", epsilon=1e-3)

    def save(self, output, x, y):
        self.nodes.append(helper.make_node("Softmax", [output], ["predictions"], name=f"StatefulPartitionedCall/{self.name}/predictions/Softmax", axis=1))
        graph = helper.make_graph(self.nodes, "tf2onnx",
                                  [helper.make_tensor_value_info("input_1", TensorProto.FLOAT, ["unk__1", SIZE, SIZE, 3])],
                                  [helper.make_tensor_value_info("predictions", TensorProto.FLOAT, ["unk__2", CLASSES])],
                                  [numpy_helper.from_array(value, name) for name, value in self.constants.items()])
        model = helper.make_model(graph, producer_name="tf2onnx", opset_imports=[helper.make_opsetid("", 13)])
        (HERE / f"{self.name}.onnx").write_bytes(model.SerializeToString())
        write_safetensors(HERE / f"{self.name}.safetensors", x=x.numpy(), y=y.numpy())

    def tensor(self, name):
        return torch.from_numpy(self.constants[name])

    def normalised(self, x, name):
        gamma, beta, mean, variance = (self.tensor(f"{name}/{part}") for part in ("gamma", "beta", "moving_mean", "moving_variance"))
        return F.batch_norm(x, mean, variance, gamma, beta, eps=1e-3)


def mobilenet():
    """Batch norms in the kernels, as tf2onnx folds them; a depthwise kernel in TensorFlow's order; the classes as a convolution."""
    g = Graph("keras_mobilenet", 1)
    zero, six = g.constant("zero", np.float32(0)), g.constant("six", np.float32(6))
    x = g.node("Transpose", ["input_1"], "conv1/Conv2D__6", perm=[0, 3, 1, 2])
    for i, (name, inputs, outputs, group, stride) in enumerate([("conv1", 3, 8, 1, 2), ("conv_dw_1", 8, 8, 8, 1), ("conv_pw_1", 8, 12, 1, 1)]):
        taps = 1 if "pw" in name else 3
        pads = [0, 0, 1, 1] if stride == 2 else [taps // 2] * 4
        kernel = g.weight(f"const_fold_opt__{i}" if group == 1 else f"{name}/depthwise/ReadVariableOp:0", outputs, inputs // group, taps, taps)
        if group > 1:  # [H, W, C, 1] in the file
            g.constants[kernel] = np.ascontiguousarray(g.constants[kernel].transpose(2, 3, 0, 1))
            turned = g.node("Transpose", [kernel], f"{name}/depthwise__10", perm=[3, 2, 0, 1])
            kernel = g.node("Reshape", [turned, g.constant("kernel_shape", np.int64([outputs, 1, taps, taps]))], f"{name}/depthwise__11")
        x = g.node("Conv", [x, kernel, g.weight(f"{name}_bn/bias_fused_bn", outputs)], f"{name}/{'depthwise' if group > 1 else 'Conv2D'}",
                   strides=[stride, stride], dilations=[1, 1], group=group, kernel_shape=[taps, taps], pads=pads)
        x = g.node("Clip", [x, zero, six], f"{name}_relu/Relu6")
    x = g.node("GlobalAveragePool", [x], "global_average_pooling2d/Mean")
    x = g.node("Conv", [x, g.weight("const_fold_opt__9", CLASSES, 12, 1, 1), g.weight("conv_preds/bias", CLASSES)], "conv_preds/Conv2D",
               kernel_shape=[1, 1], strides=[1, 1])
    x = g.node("Squeeze", [x, g.constant("axes", np.int64([2, 3]))], "reshape_2/Reshape")

    images = torch.from_numpy(g.generator.normal(size=(3, 3, SIZE, SIZE)).astype(np.float32))
    y = F.relu6(F.conv2d(F.pad(images, (0, 1, 0, 1)), g.tensor("const_fold_opt__0"), g.tensor("conv1_bn/bias_fused_bn"), stride=2))
    depthwise = g.tensor("conv_dw_1/depthwise/ReadVariableOp:0").permute(2, 3, 0, 1)
    y = F.relu6(F.conv2d(y, depthwise, g.tensor("conv_dw_1_bn/bias_fused_bn"), padding=1, groups=8))
    y = F.relu6(F.conv2d(y, g.tensor("const_fold_opt__2"), g.tensor("conv_pw_1_bn/bias_fused_bn")))
    y = F.conv2d(y.mean((2, 3), keepdim=True), g.tensor("const_fold_opt__9"), g.tensor("conv_preds/bias")).flatten(1)
    g.save(x, images, y)


def resnet():
    """Pixels prepared and padded in the network before the channels are moved, batch norms, a projection, and a mean with the channels
    last, as they are where tf2onnx does not optimise."""
    g = Graph("keras_resnet", 2)
    pads = g.constant("pads", np.int64([0, 1, 1, 0, 0, 1, 1, 0]))
    x = g.node("Sub", ["input_1", g.constant("mean", np.float32([0.1, -0.2, 0.3]))], "rescaling/sub")
    x = g.node("Mul", [x, g.constant("factor", np.float32(0.5))], "rescaling/mul")
    x = g.node("Pad", [x, pads], "conv1_pad/Pad", mode="constant")
    x = g.node("Transpose", [x], "conv1_conv/Conv2D__7", perm=[0, 3, 1, 2])
    x = g.node("Conv", [x, g.weight("conv1_conv/kernel", 8, 3, 3, 3), g.weight("conv1_conv/bias", 8)], "conv1_conv/Conv2D", kernel_shape=[3, 3], strides=[2, 2])
    x = g.node("Relu", [g.batch_norm(x, "conv1_bn", 8)], "conv1_relu/Relu")
    x = g.node("Pad", [x, g.constant("pool_pads", np.int64([0, 0, 1, 1, 0, 0, 1, 1]))], "pool1_pad/Pad", mode="constant")
    x = stem = g.node("MaxPool", [x], "pool1_pool/MaxPool", kernel_shape=[3, 3], strides=[2, 2])
    x = g.node("Conv", [x, g.weight("conv2_1/kernel", 8, 8, 3, 3)], "conv2_1/Conv2D", kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[2, 2])
    x = g.node("Relu", [g.batch_norm(x, "conv2_1_bn", 8)], "conv2_1_relu/Relu")
    x = g.node("Conv", [x, g.weight("conv2_2/kernel", 12, 8, 1, 1)], "conv2_2/Conv2D", kernel_shape=[1, 1])
    x = g.batch_norm(x, "conv2_2_bn", 12)
    short = g.node("Conv", [stem, g.weight("conv2_0/kernel", 12, 8, 1, 1)], "conv2_0/Conv2D", kernel_shape=[1, 1], strides=[2, 2])
    x = g.node("Relu", [g.node("Add", [short, x], "conv2_add/add")], "conv2_out/Relu")
    x = g.node("Transpose", [x], "conv2_out/Relu__20", perm=[0, 2, 3, 1])
    x = g.node("ReduceMean", [x], "avg_pool/Mean", axes=[1, 2], keepdims=0)
    x = g.node("MatMul", [x, g.weight("predictions/kernel", 12, CLASSES)], "predictions/MatMul")
    x = g.node("Add", [x, g.weight("predictions/bias", CLASSES)], "predictions/BiasAdd")

    images = torch.from_numpy(g.generator.normal(size=(3, 3, SIZE, SIZE)).astype(np.float32))
    prepared = F.pad((images - g.tensor("mean").reshape(3, 1, 1)) * 0.5, (1, 1, 1, 1))
    y = F.relu(g.normalised(F.conv2d(prepared, g.tensor("conv1_conv/kernel"), g.tensor("conv1_conv/bias"), stride=2), "conv1_bn"))
    stem = F.max_pool2d(F.pad(y, (1, 1, 1, 1)), 3, 2)
    y = F.relu(g.normalised(F.conv2d(F.pad(stem, (0, 1, 0, 1)), g.tensor("conv2_1/kernel"), stride=2), "conv2_1_bn"))
    y = g.normalised(F.conv2d(y, g.tensor("conv2_2/kernel")), "conv2_2_bn")
    y = F.relu(F.conv2d(stem, g.tensor("conv2_0/kernel"), stride=2) + y).mean((2, 3))
    g.save(x, images, y @ g.tensor("predictions/kernel") + g.tensor("predictions/bias"))


mobilenet()
resnet()

#!/usr/bin/env python3
"""Writes the golden files of this folder with PyTorch (Debian's python3-torch 1.13): the logits and weight gradients of a narrow
ResNet-8 and a ViT of two blocks, computed in double precision from random weights that are floats.

    /usr/bin/python3 make_golden.py

Each file holds the parameters by their names, the images x, the gradient of the logits that the reverse sweep starts from (seed),
and for each mode MODE/logits and MODE/gradient/PARAMETER. The networks are written down here from their descriptions."""
import json
import pathlib
import struct

import torch
from torch.nn import functional as F

folder = pathlib.Path(__file__).parent
samples = 3


def safetensors(name, tensors):
    entries, data = {}, b""
    for key in sorted(tensors):
        array = tensors[key].detach().to(torch.float32).contiguous().numpy()
        entries[key] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.astype("<f4").tobytes()
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    (folder / name).write_bytes(struct.pack("<Q", len(text)) + text + data)


class Parameters:
    """Declares parameters as they are first used, with values that are floats in double."""

    def __init__(self, seed):
        self.generator = torch.Generator().manual_seed(seed)
        self.values = {}

    def draw(self, *shape):
        return torch.randn(*shape, generator=self.generator, dtype=torch.float32).double()

    def get(self, name, shape, scale, shift=0.0):
        if name not in self.values:
            value = (scale * self.draw(*shape) + shift).float().double()
            self.values[name] = value.requires_grad_(not name.endswith(("running_mean", "running_var")))
        return self.values[name]

    def affine(self, name, out, *inputs):
        fan_in = 1
        for size in inputs:
            fan_in *= size
        return self.get(name + ".weight", (out, *inputs), (2 / fan_in) ** 0.5), self.get(name + ".bias", (out,), 0.1)

    def norm(self, name, size):
        return self.get(name + ".weight", (size,), 0.2, 1.0), self.get(name + ".bias", (size,), 0.1)


def resnet8(p, x, training, width=3, classes=5):
    def conv(x, name, out, taps, stride):
        w, b = p.affine(name, out, x.shape[1], taps, taps)
        # TensorFlow's "same": where the stride is 2, 3x3 windows reach over the lower right edges only.
        before, after = {(3, 1): (1, 1), (3, 2): (0, 1), (1, 2): (0, 0)}[(taps, stride)]
        return F.conv2d(F.pad(x, (before, after, before, after)), w, b, stride)

    def norm(x, name):
        gamma, beta = p.norm(name, x.shape[1])
        mean = p.get(name + ".running_mean", (x.shape[1],), 0.3)
        variance = p.get(name + ".running_var", (x.shape[1],), 0.1, 1.0)
        # Copies: in training PyTorch updates what it is given.
        return F.batch_norm(x, mean.clone(), variance.clone(), gamma, beta, training, 0.1, 1e-3)

    def stack(x, name, out, stride):
        h = F.relu(norm(conv(x, name + ".conv1", out, 3, stride), name + ".bn1"))
        h = norm(conv(h, name + ".conv2", out, 3, 1), name + ".bn2")
        return F.relu(h + (x if stride == 1 else conv(x, name + ".shortcut", out, 1, stride)))

    h = F.relu(norm(conv(x, "stem.conv", width, 3, 1), "stem.bn"))
    h = stack(stack(stack(h, "stack1", width, 1), "stack2", 2 * width, 2), "stack3", 4 * width, 2)
    return F.linear(h.mean((2, 3)), *p.affine("fc", classes, 4 * width))


def vit(p, x, training, patch=4, width=12, depth=2, heads=3, classes=5):
    def norm(x, name):
        return F.layer_norm(x, (width,), *p.norm(name, width), eps=1e-6)

    def attention(x, name):
        w, b = p.affine(name + ".qkv", 3 * width, width)
        n, tokens, _ = x.shape
        q, k, v = F.linear(x, w, b).reshape(n, tokens, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) / (width // heads) ** 0.5
        y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, tokens, width)
        return F.linear(y, *p.affine(name + ".proj", width, width))

    w, b = p.affine("patch_embed.proj", width, 3, patch, patch)
    h = F.conv2d(x, w, b, patch).flatten(2).transpose(1, 2)
    h = torch.cat([p.get("cls_token", (1, 1, width), 0.5).expand(len(x), -1, -1), h], 1)
    h = h + p.get("pos_embed", (1, h.shape[1], width), 0.5)
    for i in range(depth):
        name = f"blocks.{i}."
        h = h + attention(norm(h, name + "norm1"), name + "attn")
        hidden = F.gelu(F.linear(norm(h, name + "norm2"), *p.affine(name + "mlp.fc1", 4 * width, width)))
        h = h + F.linear(hidden, *p.affine(name + "mlp.fc2", width, 4 * width))
    return F.linear(norm(h, "norm")[:, 0], *p.affine("head", classes, width))


def write(name, network, size, modes):
    p = Parameters(seed=1)
    x = p.draw(samples, 3, size, size)
    network(p, x, False)
    seed, results = None, {}
    for mode in modes:
        logits = network(p, x, mode == "training")
        seed = p.draw(*logits.shape) if seed is None else seed
        wanted = {key: value for key, value in p.values.items() if value.requires_grad}
        gradients = torch.autograd.grad(logits, list(wanted.values()), seed)
        results[mode + "/logits"] = logits
        results.update({f"{mode}/gradient/{key}": gradient for key, gradient in zip(wanted, gradients)})
    safetensors(name, {**p.values, "x": x, "seed": seed, **results})


write("resnet8.safetensors", resnet8, 16, ["inference", "training"])
write("vit.safetensors", vit, 8, ["inference"])

#!/usr/bin/env python3
"""Writes golden.txt beside this file: values and gradients of operations as PyTorch computes them in double precision.

One tensor a line: <case>.<name> <rank> <sizes...> <values...>. For each case: its inputs, the output `y`, a random gradient of
the output `dy`, and the gradient of every input, `d<name>`. The inputs are floats, so that a float run can be given the same.
"""

import pathlib

import torch
import torch.nn.functional as F

torch.manual_seed(20)
lines = []


def write(name, tensor):
    sizes = " ".join(map(str, tensor.shape))
    values = " ".join(f"{v:.17g}" for v in tensor.detach().double().flatten().tolist())
    lines.append(" ".join(f"{name} {tensor.dim()} {sizes} {values}".split()))


def case(name, function, **inputs):
    inputs = {key: value.float().double().requires_grad_() for key, value in inputs.items()}
    y = function(**inputs)
    dy = torch.randn(y.shape).double()
    y.backward(dy)
    for key, value in inputs.items():
        write(f"{name}.{key}", value)
        write(f"{name}.d{key}", value.grad)
    write(f"{name}.y", y)
    write(f"{name}.dy", dy)


def attention(heads, causal=False):
    """torch's own multi-head attention with identities for its projections: the way heads are cut out is torch's, too."""

    def run(q, k, v):
        d = q.shape[-1]
        module = torch.nn.MultiheadAttention(d, heads, batch_first=True).double()
        with torch.no_grad():
            module.in_proj_weight.copy_(torch.eye(d).double().repeat(3, 1))
            module.out_proj.weight.copy_(torch.eye(d).double())
        mask = torch.ones(q.shape[1], k.shape[1], dtype=torch.bool).triu(1) if causal else None
        return module(q, k, v, attn_mask=mask, need_weights=False)[0]

    return run


randn = torch.randn
case("linear", lambda x, W, b: F.linear(x, W, b), x=randn(3, 2, 5), W=randn(4, 5), b=randn(4))
case("matmul", lambda a, b: a @ b, a=randn(3, 1, 2, 4), b=randn(3, 2, 4, 3))
case("layer_norm", lambda x, gamma, beta: F.layer_norm(x, (5,), gamma, beta), x=3 * randn(2, 3, 5) + 1, gamma=randn(5), beta=randn(5))
case("layer_norm_two_axes", lambda x: F.layer_norm(x, (3, 4), eps=1e-3), x=randn(2, 3, 4))
case("attention", attention(2), q=randn(2, 3, 6), k=randn(2, 4, 6), v=randn(2, 4, 6))
case("attention_causal", attention(1, causal=True), q=randn(2, 4, 3), k=randn(2, 4, 3), v=randn(2, 4, 3))
case("add", lambda a, b: a + b, a=randn(2, 3, 4), b=randn(3, 1))
case("sub", lambda a, b: a - b, a=randn(2, 1, 4), b=randn(3, 1))
case("mul", lambda a, b: a * b, a=randn(2, 3, 4), b=randn(1, 4))
case("div", lambda a, b: a / b, a=randn(2, 3, 1), b=1 + randn(3, 4).abs())



def normalised(x, gamma, beta, mean, variance):
    """Batch norm in inference written out, since torch's own has no gradient of the statistics; held against it."""
    channels = (1, -1, 1, 1)
    y = gamma.view(channels) * (x - mean.view(channels)) / (variance.view(channels) + 1e-3).sqrt() + beta.view(channels)
    torch.testing.assert_close(y, F.batch_norm(x, mean.detach(), variance.detach(), gamma, beta, eps=1e-3))
    return y


def interpolated(size, **options):
    return lambda x: F.interpolate(x, size=size, **options)


case("conv2d", lambda x, W, b: F.conv2d(x, W, b, stride=(2, 1), padding=1, dilation=(1, 2), groups=2),
     x=randn(2, 4, 5, 4), W=randn(6, 2, 3, 3), b=randn(6))
case("conv2d_depthwise", lambda x, W: F.conv2d(x, W, stride=2, padding=1, groups=3), x=randn(2, 3, 5, 6), W=randn(3, 1, 3, 3))
case("batch_norm", normalised, x=randn(2, 3, 2, 3), gamma=randn(3), beta=randn(3), mean=randn(3),
     variance=0.5 + randn(3).square())
case("batch_norm_training", lambda x, gamma, beta: F.batch_norm(x, None, None, gamma, beta, training=True),
     x=2 * randn(3, 2, 2, 2) + 1, gamma=randn(2), beta=randn(2))
case("max_pool2d", lambda x: F.max_pool2d(x, 3, stride=2, padding=1), x=randn(2, 1, 5, 6))
case("max_pool2d_ceil", lambda x: F.max_pool2d(x, (3, 2), stride=(2, 3), padding=(1, 0), dilation=(1, 2), ceil_mode=True),
     x=randn(1, 2, 6, 7))
for ceil in (False, True):
    for counts in (False, True):
        options = {"stride": (2, 3), "padding": (1, 0), "ceil_mode": ceil, "count_include_pad": counts}
        case("average_pool2d" + ceil * "_ceil" + counts * "_padding", lambda x: F.avg_pool2d(x, (3, 2), **options), x=randn(1, 2, 6, 6))
case("resize_nearest", interpolated((5, 7), mode="nearest"), x=randn(1, 2, 3, 4))
case("resize_nearest_exact", interpolated((5, 3), mode="nearest-exact"), x=randn(1, 2, 3, 5))
case("resize_bilinear", interpolated((5, 3), mode="bilinear", align_corners=False), x=randn(1, 2, 3, 5))
case("resize_align_corners", interpolated((5, 3), mode="bilinear", align_corners=True), x=randn(1, 2, 3, 5))

pathlib.Path(__file__).with_name("golden.txt").write_text("\n".join(lines) + "\n")

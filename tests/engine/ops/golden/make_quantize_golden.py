#!/usr/bin/env python3
"""Writes quantize_golden.h beside this file: what PyTorch's fake quantization gives, and its gradient for dy = 1, 2, 3, ...

Scales are powers of two: PyTorch multiplies by the reciprocal where ONNX and the engine divide.
Usage: python3 make_quantize_golden.py   (needs torch; the results are the same for any version since 1.12)
"""
import pathlib

import torch

X = [-40.0, -4.0625, -2.25, -2.125, -0.375, -0.125, 0.0, 0.125, 0.375, 0.625, 1.5, 3.9375, 15.875, 15.9375, 16.0, 31.8125, 31.875, 32.0]


def row(values):
    return "{" + ", ".join(f"{value:.17g}" for value in values) + "}"


def case(name, axis, scale, zero, least, most):
    x = torch.tensor(X, requires_grad=True)
    shaped = x.reshape(3, -1)
    if len(scale) == 1:
        y = torch.fake_quantize_per_tensor_affine(shaped, scale[0], zero[0], least, most)
    else:
        y = torch.fake_quantize_per_channel_affine(shaped, torch.tensor(scale), torch.tensor(zero, dtype=torch.int32), axis, least, most)
    (y.flatten() * torch.arange(1.0, len(X) + 1)).sum().backward()
    return [f'    {{"{name}", {axis}, {row(scale)}, {row(zero)}, {least}, {most},', f"     {row(y.flatten().tolist())},",
            f"     {row(x.grad.tolist())}}},"]


text = ["#pragma once", "", "#include <cstdint>", "#include <string_view>", "#include <vector>", "",
        "// Written by make_quantize_golden.py.", "// clang-format off", "namespace safer::test::golden {", "",
        f"inline const std::vector<double> quantize_x = {row(X)};  // [3, {len(X) // 3}]",
        "struct Quantized { std::string_view name; int axis; std::vector<float> scale; std::vector<std::int64_t> zero_point; "
        "std::int64_t least, most; std::vector<double> y, dx; };", "inline const Quantized quantized[] = {"]
text += case("int8", 1, [0.25], [0], -128, 127)
text += case("uint8", 1, [0.125], [128], 0, 255)
text += case("7 bits", 1, [0.25], [3], 0, 127)
text += case("by row", 0, [0.25, 0.5, 0.125], [0, -3, 5], -128, 127)
text += case("by column", 1, [0.25, 0.5, 1.0, 0.125, 2.0, 0.0625], [0, 1, 2, 100, 128, 255], 0, 255)
text += ["};", "", "}  // namespace safer::test::golden", ""]
(pathlib.Path(__file__).parent / "quantize_golden.h").write_text("\n".join(text))

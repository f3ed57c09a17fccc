#!/usr/bin/env python3
"""Writes activation_golden.h and target_golden.h beside this file: what PyTorch computes in double.

Usage: python3 make_function_golden.py   (needs torch; the results are the same for any version since 1.12)
"""
import pathlib

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

X = [-5.5, -4.0, -2.25, -1.0, -0.375, 0.125, 0.75, 1.5, 2.625, 4.75, 7.0]
ACTIVATIONS = {
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "hard_swish": F.hardswish,
    "mish": F.mish,
    "softplus": F.softplus,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "exp": torch.exp,
    "log": lambda x: torch.log(torch.square(x)),
    "erf": torch.erf,
    "square": torch.square,
    "sqrt": lambda x: torch.sqrt(torch.square(x)),
    "softmax": lambda x: torch.square(F.softmax(x, dim=0)),
    "log_softmax": lambda x: torch.square(F.log_softmax(x, dim=0)),
}
LOGITS = [[1.5, -0.25, 0.75], [-3.0, 4.0, 2.5], [0.0, 0.0, 0.0], [30.0, -10.0, 5.0]]
CLASSES = [0, 2, 1, 0]


def array(values):
    return "{" + ", ".join(f"{value:.17g}" for value in values) + "}"


def header(name, lines):
    text = ["#pragma once", "", "#include <cstdint>", "#include <string_view>", "",
            "// Written by make_function_golden.py.", "// clang-format off", "namespace safer::test::golden {", ""]
    text += lines + ["", "}  // namespace safer::test::golden", ""]
    (pathlib.Path(__file__).parent / name).write_text("\n".join(text))


def activations():
    lines = [f"inline constexpr double activation_x[] = {array(X)};", f"struct Activation {{ std::string_view name; double y[{len(X)}], dx[{len(X)}]; }};",
             "inline constexpr Activation activations[] = {"]
    for name, function in ACTIVATIONS.items():
        x = torch.tensor(X, requires_grad=True)
        y = function(x)
        y.sum().backward()
        lines.append(f'    {{"{name}", {array(y.tolist())},\n     {array(x.grad.tolist())}}},')
    header("activation_golden.h", lines + ["};"])


def targets():
    def evaluate(function):
        x = torch.tensor(LOGITS, requires_grad=True)
        y = function(x)
        y.sum().backward()
        return y.tolist(), [value for row in x.grad.tolist() for value in row]

    classes = torch.tensor(CLASSES)
    rows = torch.arange(len(CLASSES))

    def margin(x):
        others = x.clone()
        others[rows, classes] = -torch.inf
        return x[rows, classes] - x[rows, others.argmax(1)]

    results = {
        "top-logit": evaluate(lambda x: x[rows, classes]),
        "margin": evaluate(margin),
        "pseudo-ce": evaluate(lambda x: F.cross_entropy(x, classes, reduction="none")),
        "sum-logits": evaluate(lambda x: x.sum(1)),
        "output-norm": evaluate(lambda x: torch.linalg.vector_norm(x, dim=1)),
        "label-ce": evaluate(lambda x: F.cross_entropy(x, classes, reduction="none")),
    }
    count, size = len(LOGITS), len(LOGITS[0])
    lines = [f"inline constexpr double logits[] = {array([value for row in LOGITS for value in row])};",
             "inline constexpr std::int64_t classes[] = {" + ", ".join(map(str, CLASSES)) + "};",
             f"struct TargetValues {{ std::string_view name; double y[{count}], dx[{count * size}]; }};",
             "inline constexpr TargetValues targets[] = {"]
    for name, (y, dx) in results.items():
        lines.append(f'    {{"{name}", {array(y)},\n     {array(dx)}}},')
    header("target_golden.h", lines + ["};"])


activations()
targets()

#pragma once

#include <algorithm>
#include <iterator>
#include <string_view>

namespace safer {

/// Every op of the engine. Recording functions stand in the header of the same family. Tests iterate this list: an op without
/// a gradient check fails them.
inline constexpr std::string_view op_names[] = {
    // linear.h
    "linear",
    // conv.h
    "conv2d",
    // matmul.h
    "matmul",
    // norm.h
    "layer_norm",
    "batch_norm",
    // pool.h
    "max_pool2d",
    "average_pool2d",
    // resize.h
    "resize",
    // attention.h
    "attention",
    // elementwise.h
    "add",
    "sub",
    "mul",
    "div",
    // activation.h
    "relu",
    "relu6",
    "leaky_relu",
    "gelu",
    "gelu_tanh",
    "silu",
    "hard_swish",
    "mish",
    "softplus",
    "sigmoid",
    "tanh",
    "exp",
    "log",
    "erf",
    "square",
    "sqrt",
    "softmax",
    "log_softmax",
    // quantize.h
    "fake_quantize",
    // reduce.h
    "sum",
    "mean",
    "max",
    // shape_ops.h
    "concat",
    "slice",
    "pad",
    "reshape",
    "transpose",
    "gather",
    "expand",
    // random_ops.h
    "dropout",
    "stochastic_depth",
    // target.h
    "pick",
    "margin",
    "cross_entropy",
    "euclidean_norm",
};

constexpr bool is_listed_op(std::string_view name) { return std::ranges::find(op_names, name) != std::end(op_names); }

}  // namespace safer

#pragma once

#include <optional>
#include <string_view>

#include "engine/tape/tape.h"

namespace safer {

struct LayerNormOptions {
  int axes = 1;  // how many of the last axes are normalised together
  double epsilon = 1e-5;
};

/// y = gamma (x - mean) / sqrt(variance + epsilon) + beta, with mean and (biased) variance over the last `axes` axes of x, for
/// each place on the others by itself (Ba, Kiros & Hinton 2016). gamma, beta: those axes' shape, shared by all samples; either may
/// be left out (1 and 0). Throws Error when the shapes do not fit or the batch axis is among the normalised ones.
Var layer_norm(Var x, Var gamma = {}, Var beta = {}, LayerNormOptions options = {}, std::string_view name = {});

struct BatchNormOptions {
  double epsilon = 1e-5;
};

/// y = gamma (x - mean) / sqrt(variance + epsilon) + beta for each channel (Ioffe & Szegedy 2015). Inference reads `mean` and
/// `variance`, the running statistics that stand beside the weights as parameters of Role::buffer. Training takes the mean and the
/// (biased) variance over the samples of the batch and their places instead, so that a sample's output depends on the others:
/// per-sample gradients are then refused. A run changes no parameters; models/running_statistics.h says how training keeps
/// `mean` and `variance` up to date.
///   x: [N, channels, places...], batch axis 0; all others [channels], shared by all samples. gamma, beta may be left out (1 and
///   0).
/// All inputs get gradients; those of mean and variance are 0 in training, which does not read them. Throws Error when the shapes
/// do not fit. The node is called `name`, or when that is empty like gamma without its ".weight".
Var batch_norm(Var x, Var gamma, Var beta, Var mean, Var variance, BatchNormOptions options = {}, std::string_view name = {});

/// What a batch_norm node reads, by meaning; no_value: left out.
struct BatchNormNode {
  ValueId x = no_value, gamma = no_value, beta = no_value, mean = no_value, variance = no_value;
  double epsilon = 0;
};
/// std::nullopt for a node that is none.
std::optional<BatchNormNode> as_batch_norm(const Node& node);

}  // namespace safer

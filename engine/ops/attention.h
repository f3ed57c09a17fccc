#pragma once

#include <string_view>

#include "engine/tape/tape.h"

namespace safer {

struct AttentionOptions {
  int heads = 1;
  double scale = 0;     // of the scores; 0: 1 / sqrt(d / heads)
  bool causal = false;  // query i sees the keys 0..i only
};

/// Multi-head scaled dot-product attention (Vaswani et al. 2017, without the projections around it):
/// softmax(scale q k^T) v for each sample and head; head h has the columns h d / heads, ... of q, k and v.
///   q: [N, Tq, d]   k: [N, Tk, d]   v: [N, Tk, e]   result: [N, Tq, e]
/// All three have their batch on axis 0, with the same number of sequences for a sample, or none has one (expand a value that all
/// samples share). Throws Error when the shapes do not fit.
Var attention(Var q, Var k, Var v, AttentionOptions options = {}, std::string_view name = {});

}  // namespace safer

#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/tape/op.h"

namespace safer::test {

/// y = x, and counts the samples that pass in either direction: an independent witness of what a sweep costs.
class CountingOp final : public Op {
 public:
  struct Counts {
    std::int64_t forward = 0, reverse = 0;
  };
  explicit CountingOp(Counts& counts) : counts_(counts) {}

  std::string_view name() const override { return "counting"; }
  ValueType infer(std::span<const ValueType> in) const override { return in[0]; }
  void forward(const Run<float>& run) const override {
    counts_.forward += run.batch();
    std::copy_n(run.in(0), run.shape(0).size(), run.out());
  }
  void reverse(const Run<float>& run) const override {
    counts_.reverse += run.batch();
    const float *from = run.out_grad(), *end = from + run.shape(0).size();
    for (float* to = run.grad(0); from != end; ++from, ++to) *to = run.accumulate(0) ? *to + *from : *from;
  }
  void forward(const Run<double>&) const override {}
  void reverse(const Run<double>&) const override {}
  void shared_gradient(const Run<float>&, int, Range, Range, float*, bool) const override {}
  void shared_gradient(const Run<double>&, int, Range, Range, double*, bool) const override {}

 private:
  Counts& counts_;
};

}  // namespace safer::test

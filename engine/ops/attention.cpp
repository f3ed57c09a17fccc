#include "engine/ops/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/error.h"
#include "engine/ops/checks.h"
#include "engine/parallel.h"

namespace safer {
namespace {

/// For each sequence and head, with P = softmax(scale q k^T):
///   y = P v;   dv = P^T dy,   dS = scale P (dP - rowsum(P dP)) with dP = dy v^T,   dq = dS k,   dk = dS^T q
/// The reverse sweep computes P again: nothing of the size Tq x Tk is kept.
class Attention final : public OpOf<Attention> {
 public:
  static constexpr std::string_view op_name = "attention";
  explicit Attention(AttentionOptions options) : options_(options) {}

  std::string attributes() const override {
    return fmt::format("heads {}{}{}", options_.heads, options_.scale == 0 ? "" : fmt::format(", scale {}", options_.scale),
                       options_.causal ? ", causal" : "");
  }

  ValueType infer(std::span<const ValueType> in) const override {
    const Shape &q = in[0].shape, &k = in[1].shape, &v = in[2].shape;
    const auto fail = [&](std::string_view why) {
      throw Error("attention: q {}, k {}, v {}: {}", text(in[0]), text(in[1]), text(in[2]), why);
    };
    for (const ValueType& type : in) require_reals(op_name, type);
    if (q.rank() != 3 || k.rank() != 3 || v.rank() != 3) fail("expected three axes each, [N, T, d]");
    if (in[0].batched() != in[1].batched() || in[0].batched() != in[2].batched())
      fail("some vary over the batch and some do not; expand those that are shared");
    for (const ValueType& type : in)
      if (type.batched() && type.batch_axis != 0)
        fail(fmt::format("the batch axis is {}, expected 0; transpose first", type.batch_axis));
    if (q[0] != k[0] || q[0] != v[0]) fail("different numbers of sequences");
    if (k[1] != v[1]) fail("k and v must have the same length");
    if (q[2] != k[2]) fail("q and k must have the same width");
    if (options_.causal && q[1] != k[1]) fail("causal attention needs as many queries as keys");
    if (options_.heads < 1 || q[2] % options_.heads != 0 || v[2] % options_.heads != 0)
      fail(fmt::format("{} heads do not divide the width evenly", options_.heads));
    return {{q[0], q[1], v[2]}, in[0].batch_axis, DType::f32};
  }
  bool gradient_reads_input(int wanted, int input) const override { return wanted != 2 || input != 2; }
  bool gradient_reads_output(int) const override { return false; }
  std::int64_t scratch(std::span<const Shape> in, const Shape&) const override { return slots(in[0]) * 2 * in[0][1] * in[1][1]; }
  std::int64_t multiply_adds(std::span<const Shape> in, const Shape& out) const override {
    return in[0].size() * in[1][1] + out.size() * in[1][1];
  }

  template <class T>
  void compute(const Run<T>& run) const {
    const std::int64_t Tq = run.shape(0)[1], Tk = run.shape(1)[1];
    each_head(run, 1, [&](const Head<T>& head, T* P) {
      probabilities(run, head, P);
      kernels::Gemm<T> gemm{.m = Tq, .n = head.e, .k = Tk, .a = P, .a_row = Tk, .b = run.in(2) + head.v, .b_row = run.shape(2)[2]};
      gemm.c = run.out() + head.y, gemm.c_row = run.out_shape()[2];
      run.kernels().gemm(gemm);
    });
  }

  template <class T>
  void differentiate(const Run<T>& run) const {
    const std::int64_t Tq = run.shape(0)[1], Tk = run.shape(1)[1], d = run.shape(0)[2], e = run.shape(2)[2];
    const kernels::KernelTable<T>& table = run.kernels();
    each_head(run, 3, [&](const Head<T>& head, T* P) {
      T* dS = P + Tq * Tk;
      const T* dy = run.out_grad() + head.y;
      probabilities(run, head, P);
      if (run.grad(0) || run.grad(1)) {
        table.gemm({.m = Tq,
                    .n = Tk,
                    .k = head.e,
                    .a = dy,
                    .a_row = e,
                    .b = run.in(2) + head.v,
                    .b_row = 1,
                    .b_col = e,
                    .c = dS,
                    .c_row = Tk});
        table.softmax_gradient(dS, dS, P, {.outer = Tq, .n = Tk}, false);
        table.axpy(dS, head.scale, dS, Tq * Tk, false);
      }
      if (T* dq = run.grad(0))
        table.gemm({.m = Tq,
                    .n = head.d,
                    .k = Tk,
                    .a = dS,
                    .a_row = Tk,
                    .b = run.in(1) + head.k,
                    .b_row = d,
                    .c = dq + head.q,
                    .c_row = d,
                    .accumulate = run.accumulate(0)});
      if (T* dk = run.grad(1))
        table.gemm({.m = Tk,
                    .n = head.d,
                    .k = Tq,
                    .a = dS,
                    .a_row = 1,
                    .a_col = Tk,
                    .b = run.in(0) + head.q,
                    .b_row = d,
                    .c = dk + head.k,
                    .c_row = d,
                    .accumulate = run.accumulate(1)});
      if (T* dv = run.grad(2))
        table.gemm({.m = Tk,
                    .n = head.e,
                    .k = Tq,
                    .a = P,
                    .a_row = 1,
                    .a_col = Tk,
                    .b = dy,
                    .b_row = e,
                    .c = dv + head.v,
                    .c_row = e,
                    .accumulate = run.accumulate(2)});
    });
  }

 private:
  /// Where one head of one sequence starts in each array, and its widths.
  template <class T>
  struct Head {
    std::int64_t q, k, v, y;
    std::int64_t d, e;
    T scale;
  };

  /// Score matrices in memory at a time. It bounds the threads that can be busy, not the result.
  std::int64_t slots(const Shape& q) const { return std::min<std::int64_t>(q[0] * options_.heads, 32); }

  /// f(head, scratch of two score matrices) for every head of every sequence; `products`: how many of Tq x Tk x d, made of
  /// vector operations.
  template <class T, class F>
  void each_head(const Run<T>& run, std::int64_t products, const F& f) const {
    const Shape &q = run.shape(0), &k = run.shape(1), &v = run.shape(2);
    const std::int64_t heads = options_.heads, items = q[0] * heads, workers = slots(q);
    const std::int64_t d = q[2] / heads, e = v[2] / heads;
    const double scale = options_.scale == 0 ? 1 / std::sqrt(static_cast<double>(d)) : options_.scale;
    parallel_for(workers, products * q.size() * k[1] / 8, [&](std::int64_t worker) {
      T* scratch = run.scratch() + worker * 2 * q[1] * k[1];
      for (std::int64_t item = worker; item < items; item += workers) {
        const std::int64_t n = item / heads, h = item % heads;
        f({.q = n * q[1] * q[2] + h * d,
           .k = n * k[1] * k[2] + h * d,
           .v = n * v[1] * v[2] + h * e,
           .y = n * q[1] * v[2] + h * e,
           .d = d,
           .e = e,
           .scale = static_cast<T>(scale)},
          scratch);
      }
    });
  }

  template <class T>
  void probabilities(const Run<T>& run, const Head<T>& head, T* P) const {
    const std::int64_t Tq = run.shape(0)[1], Tk = run.shape(1)[1], d = run.shape(0)[2];
    const kernels::KernelTable<T>& table = run.kernels();
    table.gemm({.m = Tq,
                .n = Tk,
                .k = head.d,
                .a = run.in(0) + head.q,
                .a_row = d,
                .b = run.in(1) + head.k,
                .b_row = 1,
                .b_col = d,
                .c = P,
                .c_row = Tk});
    table.axpy(P, head.scale, P, Tq * Tk, false);
    if (options_.causal)
      for (std::int64_t i = 0; i < Tq; ++i) std::fill(P + i * Tk + i + 1, P + (i + 1) * Tk, -std::numeric_limits<T>::infinity());
    table.softmax(P, P, {.outer = Tq, .n = Tk});
  }

  AttentionOptions options_;
};

}  // namespace

Var attention(Var q, Var k, Var v, AttentionOptions options, std::string_view name) {
  return q.tape().record(std::make_shared<const Attention>(options), {q, k, v}, name);
}

}  // namespace safer

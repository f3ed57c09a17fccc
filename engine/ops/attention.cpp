#include "engine/ops/attention.h"

#include <cmath>

#include "engine/error.h"
#include "engine/ops/checks.h"

namespace safer {
namespace {

/// For each sequence and head, with P = softmax(scale q k^T):
///   y = P v;   dv = P^T dy,   dS = scale P (dP - rowsum(P dP)) with dP = dy v^T,   dq = dS k,   dk = dS^T q
/// Both directions go by tiles: nothing of the size Tq x Tk is ever in memory, and the reverse sweep computes P again.
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
  bool gradient_reads_output(int wanted) const override { return wanted != 2; }
  std::int64_t multiply_adds(std::span<const Shape> in, const Shape& out) const override {
    return in[0].size() * in[1][1] + out.size() * in[1][1];
  }

  template <class T>
  void compute(const Run<T>& run) const {
    run.kernels().attention(sizes(run), run.out(), run.in(0), run.in(1), run.in(2));
  }

  template <class T>
  void differentiate(const Run<T>& run) const {
    run.kernels().attention_gradient(sizes(run), {.dy = run.out_grad(),
                                                  .y = run.out(),
                                                  .q = run.in(0),
                                                  .k = run.in(1),
                                                  .v = run.in(2),
                                                  .dq = run.grad(0),
                                                  .dk = run.grad(1),
                                                  .dv = run.grad(2),
                                                  .accumulate_q = run.accumulate(0),
                                                  .accumulate_k = run.accumulate(1),
                                                  .accumulate_v = run.accumulate(2)});
  }

 private:
  template <class T>
  kernels::Attention sizes(const Run<T>& run) const {
    const Shape &q = run.shape(0), &k = run.shape(1), &v = run.shape(2);
    const std::int64_t d = q[2] / options_.heads;
    return {.sequences = q[0],
            .heads = options_.heads,
            .queries = q[1],
            .keys = k[1],
            .d = d,
            .e = v[2] / options_.heads,
            .scale = options_.scale == 0 ? 1 / std::sqrt(static_cast<double>(d)) : options_.scale,
            .causal = options_.causal};
  }

  AttentionOptions options_;
};

}  // namespace

Var attention(Var q, Var k, Var v, AttentionOptions options, std::string_view name) {
  return q.tape().record(std::make_shared<const Attention>(options), {q, k, v}, name);
}

}  // namespace safer

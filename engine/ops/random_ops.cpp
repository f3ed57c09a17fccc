#include "engine/ops/random_ops.h"

#include <algorithm>
#include <array>

#include "engine/error.h"
#include "engine/ops/checks.h"
#include "engine/parallel.h"
#include "engine/random.h"

namespace safer {
namespace {

/// The elements as runs of one sample each: [before, N, own].
struct Samples {
  std::int64_t before = 1, count = 1, own = 1;
  std::uint64_t first = 0;

  template <class T>
  explicit Samples(const Run<T>& run) {
    const int axis = run.batch_axis();
    own = run.out_shape().size();
    if (axis < 0) return;
    before = run.out_shape().size(0, axis);
    count = run.batch();
    own = run.out_shape().size(axis, run.out_shape().rank()) / count;
    first = run.randomness->first_sample;
  }
  std::int64_t runs() const { return before * count; }
  std::uint64_t sample(std::int64_t run) const { return first + static_cast<std::uint64_t>(run % count); }
  /// Place of the run's first element among those of its sample.
  std::uint64_t element(std::int64_t run) const { return static_cast<std::uint64_t>(run / count * own); }
};

/// y = factor x, where factor 0 also hides infinities and NaN.
template <class T>
void scale(const Run<T>& run, T* y, const T* x, std::int64_t n, T factor, bool accumulate) {
  if (factor != 0)
    run.kernels().axpy(y, factor, x, n, accumulate);
  else if (!accumulate)
    std::fill_n(y, n, T{0});
}

/// y = m x,  dx += m dy  with a random or fixed m for each element, which no gradient needs to read
template <class Derived>
class Mask : public OpOf<Derived> {
 public:
  ValueType infer(std::span<const ValueType> in) const override {
    require_reals(Derived::op_name, in[0]);
    return in[0];
  }
  bool gradient_reads_input(int, int) const override { return false; }
  bool gradient_reads_output(int) const override { return false; }
  bool in_place(int) const override { return true; }
  bool gradient_in_place(int) const override { return true; }

  template <class T>
  void compute(const Run<T>& run) const {
    apply(run, run.out(), run.in(0), false);
  }
  template <class T>
  void differentiate(const Run<T>& run) const {
    apply(run, run.grad(0), run.out_grad(), run.accumulate(0));
  }

 private:
  template <class T>
  void apply(const Run<T>& run, T* to, const T* from, bool accumulate) const {
    static_cast<const Derived*>(this)->template mask<T>(run, to, from, accumulate);
  }
};

class Dropout final : public Mask<Dropout> {
 public:
  static constexpr std::string_view op_name = "dropout";
  explicit Dropout(double p) : p_(p) {}
  std::string attributes() const override { return fmt::format("p {}", p_); }

  template <class T>
  void mask(const Run<T>& run, T* to, const T* from, bool accumulate) const {
    if (!run.training() || p_ == 0) return scale(run, to, from, run.out_shape().size(), T{1}, accumulate);
    const Samples samples(run);
    const RandomField field(run.key());
    parallel_blocks(samples.runs(), 8 * samples.own, [&](std::int64_t first, std::int64_t count) {
      for (std::int64_t k = first; k < first + count; ++k)
        mask_run(field, samples, k, to + k * samples.own, from + k * samples.own, accumulate);
    });
  }

 private:
  template <class T>
  void mask_run(const RandomField& field, const Samples& samples, std::int64_t run, T* to, const T* from, bool accumulate) const {
    const T factor = static_cast<T>(1 / (1 - p_));
    std::array<float, 256> draws;
    for (std::int64_t done = 0; done < samples.own;) {
      const std::int64_t n = std::min(samples.own - done, static_cast<std::int64_t>(draws.size()));
      field.uniform(samples.sample(run), samples.element(run) + static_cast<std::uint64_t>(done),
                    std::span(draws).first(static_cast<std::size_t>(n)));
      for (std::int64_t i = done; i < done + n; ++i) {
        const bool kept = double{draws[static_cast<std::size_t>(i - done)]} >= p_;
        const T value = kept ? factor * from[i] : T{0};
        to[i] = accumulate ? to[i] + value : value;
      }
      done += n;
    }
  }
  double p_;
};

class StochasticDepth final : public Mask<StochasticDepth> {
 public:
  static constexpr std::string_view op_name = "stochastic_depth";
  StochasticDepth(double survival, bool per_sample) : survival_(survival), per_sample_(per_sample) {}
  std::string attributes() const override {
    return fmt::format("survival {}{}", survival_, per_sample_ ? ", drawn for each sample" : "");
  }

  template <class T>
  void mask(const Run<T>& run, T* to, const T* from, bool accumulate) const {
    const RandomField field(run.key());
    const auto gate = [&](std::uint64_t sample) { return double{field.uniform(sample, 0)} < survival_ ? T{1} : T{0}; };
    if (!run.training() || !per_sample_)
      return scale(run, to, from, run.out_shape().size(), run.training() ? gate(0) : static_cast<T>(survival_), accumulate);
    const Samples samples(run);
    parallel_blocks(samples.runs(), samples.own, [&](std::int64_t first, std::int64_t count) {
      for (std::int64_t k = first; k < first + count; ++k)
        scale(run, to + k * samples.own, from + k * samples.own, samples.own, gate(samples.sample(k)), accumulate);
    });
  }

 private:
  double survival_;
  bool per_sample_;
};

}  // namespace

Var dropout(Var x, double p) {
  if (!(p >= 0 && p < 1)) throw Error("dropout: p = {}, expected a probability from 0 to below 1", p);
  return x.tape().record(std::make_shared<Dropout>(p), {x});
}
Var stochastic_depth(Var x, double survival, bool per_sample) {
  if (!(survival >= 0 && survival <= 1))
    throw Error("stochastic_depth: survival = {}, expected a probability from 0 to 1", survival);
  return x.tape().record(std::make_shared<StochasticDepth>(survival, per_sample), {x});
}

}  // namespace safer

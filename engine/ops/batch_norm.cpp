#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/error.h"
#include "engine/ops/checks.h"
#include "engine/ops/norm.h"
#include "engine/parallel.h"

namespace safer {
namespace {

/// y = gamma xhat + beta, xhat = (x - mean) / deviation
/// dbeta = sum of dy      dgamma = sum of dy xhat                       over samples and places
/// with given statistics: dx = gamma dy / deviation,  dmean = -gamma dbeta / deviation,  dvariance = -gamma dgamma / (2
/// deviation^2) with the batch's own:  dx = gamma (dy - mean of dy - xhat mean of (dy xhat)) / deviation
class BatchNorm final : public OpOf<BatchNorm> {
 public:
  static constexpr std::string_view op_name = "batch_norm";
  enum Place { x_, mean_, variance_ };  // then gamma and beta, where they are given
  BatchNorm(double epsilon, bool has_gamma, bool has_beta)
      : epsilon_(epsilon), gamma_(has_gamma ? 3 : 0), beta_(has_beta ? 3 + has_gamma : 0) {}

  std::string attributes() const override { return fmt::format("epsilon {}", epsilon_); }
  double epsilon() const { return epsilon_; }
  int gamma() const { return gamma_; }
  int beta() const { return beta_; }

  ValueType infer(std::span<const ValueType> in) const override {
    for (const ValueType& type : in) require_reals(op_name, type);
    const Shape& x = in[x_].shape;
    if (x.rank() < 2 || in[x_].batch_axis > 0)
      throw Error("batch_norm: x is {}, expected [N, channels, places...] with the batch first", text(in[x_]));
    if (!(epsilon_ >= 0)) throw Error("batch_norm: epsilon is {}, expected 0 or more", epsilon_);
    for (int i = 1; i < static_cast<int>(in.size()); ++i) {
      const ValueType& own = in[static_cast<std::size_t>(i)];
      if (own.batched() || own.shape != Shape{x[1]})
        throw Error("batch_norm: {} is {}, expected [{}] for x {}", name_of(i), text(own), x[1], text(in[x_]));
    }
    return in[x_];
  }
  bool gradient_reads_input(int wanted, int input) const override {
    if (wanted == beta_ && beta_ > 0) return false;
    if (input == x_) return true;  // with the batch's statistics dx reads x, and so do the sums
    return input == variance_ || input == mean_ || (input == gamma_ && wanted != gamma_);
  }
  bool gradient_reads_output(int) const override { return false; }
  bool mixes_samples(Mode mode) const override { return mode == Mode::training; }
  bool scales_channels(Mode mode) const override { return mode == Mode::inference; }
  void channel_scales(std::span<const Tensor* const> others, std::span<double> scale, std::span<double> shift) const override {
    const auto value = [&](int input, std::size_t c) {
      const Tensor& own = *others[static_cast<std::size_t>(input - 1)];
      return own.type() == DType::f32 ? double{own.values<float>()[c]} : own.values<double>()[c];
    };
    for (std::size_t c = 0; c < scale.size(); ++c) {
      scale[c] = (gamma_ > 0 ? value(gamma_, c) : 1) / std::sqrt(value(variance_, c) + epsilon_);
      shift[c] = (beta_ > 0 ? value(beta_, c) : 0) - scale[c] * value(mean_, c);
    }
  }
  std::int64_t multiply_adds(std::span<const Shape>, const Shape& out) const override { return out.size(); }

  template <class T>
  void compute(const Run<T>& run) const {
    each_part(run, {0, run.shape(x_)[1]}, [&](const Part<T>& part) {
      run.kernels().batch_norm(part.images, run.out() + part.first, run.in(x_) + part.first, part.norm);
    });
  }

  template <class T>
  void differentiate(const Run<T>& run) const {
    if (T* dx = run.grad(x_)) each_part(run, {0, run.shape(x_)[1]}, [&](const Part<T>& part) { input_gradient(run, part, dx); });
    for (int input = 1; input < run.inputs(); ++input)
      if (T* gradient = run.grad(input))
        of_images(run, input, {0, run.shape(x_)[0]}, {0, run.shape(input)[0]}, gradient, run.accumulate(input));
  }

  template <class T>
  void differentiate_shared(const Run<T>& run, int input, Range samples, Range rows, T* out, bool accumulate) const {
    const std::int64_t images = run.shape(x_)[0] / run.batch();  // that a sample owns
    of_images(run, input, {samples.begin * images, samples.end * images}, rows, out, accumulate);
  }

 private:
  /// Channels that are worked on together, so few that what training reads several times stays in the cache.
  static constexpr std::int64_t together = 8;

  /// Some channels of the whole batch: offsets in x and y, and their statistics.
  template <class T>
  struct Part {
    kernels::Images images;
    Range channels;
    std::int64_t first;  // offset in x and y
    kernels::BatchNorm<T> norm;
  };

  std::string_view name_of(int input) const {
    if (input == mean_) return "mean";
    if (input == variance_) return "variance";
    return input == gamma_ ? "gamma" : "beta";
  }

  /// f(part) for parts of the channels, with given statistics for all of them at once.
  template <class T, class F>
  void each_part(const Run<T>& run, Range channels, const F& f) const {
    const std::int64_t places = run.shape(x_).size(2, run.shape(x_).rank()), step = run.shape(x_)[1] * places;
    const auto part = [&](std::int64_t begin, std::int64_t count, const T* mean, const T* variance) {
      return Part<T>{.images = {run.shape(x_)[0], count, places, step},
                     .channels = {begin, begin + count},
                     .first = begin * places,
                     .norm = {mean, variance, at(run, gamma_, begin), at(run, beta_, begin), static_cast<T>(epsilon_)}};
    };
    if (!run.training()) {
      const std::int64_t begin = channels.begin;
      return f(part(begin, channels.size(), run.in(mean_) + begin, run.in(variance_) + begin));
    }
    parallel_for((channels.size() + together - 1) / together, run.out_shape().size(), [&](std::int64_t i) {
      const std::int64_t begin = channels.begin + i * together, count = std::min(together, channels.end - begin);
      T mean[together], variance[together];
      const Part<T> own = part(begin, count, mean, variance);
      run.kernels().batch_moments(own.images, mean, variance, run.in(x_) + own.first);
      f(own);
    });
  }
  template <class T>
  static const T* at(const Run<T>& run, int input, std::int64_t channel) {
    return input > 0 ? run.in(input) + channel : nullptr;
  }

  template <class T>
  void input_gradient(const Run<T>& run, const Part<T>& part, T* dx) const {
    const T *dy = run.out_grad() + part.first, *x = run.in(x_) + part.first;
    T sum[together], slope[together];
    if (run.training()) run.kernels().batch_norm_sums(part.images, slope, sum, dy, x, part.norm, false);
    run.kernels().batch_norm_gradient(part.images, dx + part.first, dy, x, run.training() ? sum : nullptr,
                                      run.training() ? slope : nullptr, part.norm, run.accumulate(x_));
  }

  /// out (+)= the gradient of an input other than x that some images contribute, for some channels.
  template <class T>
  void of_images(const Run<T>& run, int input, Range images, Range channels, T* out, bool accumulate) const {
    const bool statistic = input == mean_ || input == variance_;
    if (statistic && run.training()) {  // not read
      if (!accumulate) std::fill_n(out, channels.size(), T{0});
      return;
    }
    each_part(run, channels, [&](Part<T> part) {
      const std::int64_t skipped = images.begin * part.images.step;
      part.images.samples = images.size();
      T* const to = out + (part.channels.begin - channels.begin);
      const T *dy = run.out_grad() + part.first + skipped, *x = run.in(x_) + part.first + skipped;
      if (!statistic) {
        run.kernels().batch_norm_sums(part.images, input == gamma_ ? to : nullptr, input == gamma_ ? nullptr : to, dy, x, part.norm,
                                      accumulate);
        return;
      }
      of_statistic(run, input, part, dy, x, to, accumulate);
    });
  }

  /// dmean or dvariance, from the sums that are dbeta and dgamma.
  template <class T>
  static void of_statistic(const Run<T>& run, int input, const Part<T>& part, const T* dy, const T* x, T* to, bool accumulate) {
    kernels::Images one = part.images;
    one.channels = 1;
    for (std::int64_t c = 0; c < part.images.channels; ++c, dy += one.places, x += one.places) {
      const kernels::BatchNorm<T> norm{
          .mean = part.norm.mean + c, .variance = part.norm.variance + c, .epsilon = part.norm.epsilon};
      T sum = 0;
      run.kernels().batch_norm_sums(one, input == variance_ ? &sum : nullptr, input == mean_ ? &sum : nullptr, dy, x, norm, false);
      const double variance = double{*norm.variance} + double{norm.epsilon};
      const double slope = input == mean_ ? -1 / std::sqrt(variance) : -1 / (2 * variance);
      const T value = static_cast<T>(slope * double{sum} * (part.norm.gamma ? double{part.norm.gamma[c]} : 1));
      to[c] = accumulate ? to[c] + value : value;
    }
  }

  double epsilon_;
  int gamma_, beta_;  // their places among the inputs; 0: there is none
};

}  // namespace

Var batch_norm(Var x, Var gamma, Var beta, Var mean, Var variance, BatchNormOptions options, std::string_view name) {
  std::vector<Var> inputs{x, mean, variance};
  if (gamma) inputs.push_back(gamma);
  if (beta) inputs.push_back(beta);
  const std::string own = name.empty() && gamma ? layer_name(gamma) : std::string(name);
  return x.tape().record(std::make_shared<const BatchNorm>(options.epsilon, bool{gamma}, bool{beta}), inputs, own);
}

std::optional<BatchNormNode> as_batch_norm(const Node& node) {
  const auto* op = dynamic_cast<const BatchNorm*>(node.op.get());
  if (!op) return std::nullopt;
  const auto input = [&](int place) { return place > 0 ? node.inputs[static_cast<std::size_t>(place)] : no_value; };
  return BatchNormNode{.x = node.inputs[BatchNorm::x_],
                       .gamma = input(op->gamma()),
                       .beta = input(op->beta()),
                       .mean = input(BatchNorm::mean_),
                       .variance = input(BatchNorm::variance_),
                       .epsilon = op->epsilon()};
}

}  // namespace safer

#include "criteria/testbed/linearised.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <memory>

#include "criteria/testbed/hit_curve.h"
#include "engine/error.h"
#include "engine/random.h"
#include "engine/tape/workspace.h"
#include "models/evaluation.h"

namespace safer {
namespace {

constexpr std::size_t most_samples = 32;  // that run at once
constexpr std::size_t most_logits = 16;
constexpr std::size_t most_floats = std::size_t{1} << 22;  // of a batch's J, unless one sample has more
constexpr std::size_t most_draws = 16;                     // of a sample, at most

/// Keeps the rows of J that one reverse sweep makes of a layer's weight, those of all samples of a batch: [samples, weights].
class RowSink final : public GradientSink<float> {
 public:
  RowSink(int parameter, std::span<float> rows) : parameter_(parameter), rows_(rows) {}
  bool wants(int parameter) const override { return parameter == parameter_; }
  bool per_sample() const override { return true; }
  void fold(const ParameterGradient<float>& gradient) override {
    const auto size = static_cast<std::size_t>(gradient.shape().size());
    for (std::int64_t sample = 0; sample < gradient.samples(); ++sample)
      gradient.tile({sample, sample + 1}, {0, gradient.rows()}, rows_.data() + static_cast<std::size_t>(sample) * size);
  }

 private:
  int parameter_;
  std::span<float> rows_;
};

/// The derivatives of a batch's logits by one weight tensor.
class Jacobian {
 public:
  Jacobian(const Network& network, int parameter, std::size_t batch)
      : network_(network),
        parameter_(parameter),
        batch_(batch),
        weights_(static_cast<std::size_t>(network.parameters[parameter].size())),
        rows_(static_cast<std::size_t>(network.classes()) * batch * weights_),
        workspace_(Plan(network.tape, options(network, parameter, batch))) {}

  /// Those of the samples from `first` on.
  void find(const Tensor& inputs, std::size_t first) {
    const auto size = static_cast<std::size_t>(network_.sample_shape().size()), classes = this->classes();
    workspace_.bind(network_.input, inputs.values<float>().subspan(first * size, batch_ * size));
    workspace_.replay(network_.parameters);
    std::vector<float> seed(batch_ * classes);
    for (std::size_t logit = 0; logit < classes; ++logit) {
      for (std::size_t i = 0; i < seed.size(); ++i) seed[i] = i % classes == logit ? 1 : 0;
      RowSink sink(parameter_, std::span(rows_).subspan(logit * batch_ * weights_, batch_ * weights_));
      workspace_.reverse(sink, seed);
    }
  }
  /// Of one of its samples: [weights].
  std::span<const float> row(std::size_t sample, std::size_t logit) const {
    return std::span(rows_).subspan((logit * batch_ + sample) * weights_, weights_);
  }
  std::span<const float> logits(std::size_t sample) const {
    return workspace_.value(network_.logits).subspan(sample * classes(), classes());
  }
  std::size_t classes() const { return static_cast<std::size_t>(network_.classes()); }

 private:
  static PlanOptions options(const Network& network, int parameter, std::size_t batch) {
    PlanOptions options{.batch = static_cast<std::int64_t>(batch), .root = network.logits};
    options.gradients = {network.tape.parameter_value(parameter)};
    return options;
  }

  const Network& network_;
  int parameter_;
  std::size_t batch_, weights_;
  std::vector<float> rows_;  // [logits, batch, weights]
  Workspace<float> workspace_;
};

/// The damage of one sample whose logits are moved.
class Mover {
 public:
  explicit Mover(std::size_t classes) : meter_(1, static_cast<std::int64_t>(classes)), clean_(classes), moved_(classes) {}
  void start(std::span<const float> logits) {
    std::ranges::copy(logits, clean_.begin());
    meter_.set_clean(logits, {});
  }
  Damages damage(std::span<const double> move, double times) {
    for (std::size_t c = 0; c < moved_.size(); ++c) moved_[c] = static_cast<float>(clean_[c] + times * move[c]);
    return meter_.compare(moved_);
  }

 private:
  DamageMeter meter_;
  std::vector<float> clean_, moved_;
};

void add(Damages& sum, const Damages& damages, double share) {
  for (std::size_t kind = 0; kind < sum.size(); ++kind) sum[kind] += share * damages[kind];
}

/// What of a noise on one layer is summed over samples.
class Prediction {
 public:
  virtual ~Prediction() = default;
  /// `key`: of the sample's own random numbers.
  virtual void add(const Jacobian& jacobian, std::size_t sample, std::uint64_t key) = 0;
  /// The mean over `samples` and all levels.
  virtual Damages mean(std::size_t samples) const = 0;
};

class RoundingPrediction final : public Prediction {
 public:
  RoundingPrediction(const Network& network, const Layer& layer, std::span<const double> levels)
      : mover_(static_cast<std::size_t>(network.classes())), move_(static_cast<std::size_t>(network.classes())) {
    const auto w = network.parameters[layer.parameter].values<float>();
    for (const double level : levels) {
      const Parameters rounded = perturbed(network.parameters, layer, Noise::rounding, level, 0);
      std::vector<float>& error = errors_.emplace_back(w.size());
      std::ranges::transform(rounded[layer.parameter].values<float>(), w, error.begin(), std::minus());
    }
  }
  void add(const Jacobian& jacobian, std::size_t sample, std::uint64_t) override {
    mover_.start(jacobian.logits(sample));
    for (const std::vector<float>& error : errors_) {
      for (std::size_t c = 0; c < move_.size(); ++c) {
        const std::span<const float> row = jacobian.row(sample, c);
        move_[c] = 0;
        for (std::size_t i = 0; i < row.size(); ++i) move_[c] += double{error[i]} * row[i];
      }
      safer::add(sum_, mover_.damage(move_, 1), 1 / static_cast<double>(errors_.size()));
    }
  }
  Damages mean(std::size_t samples) const override {
    Damages result{};
    safer::add(result, sum_, 1 / static_cast<double>(samples));
    return result;
  }

 private:
  Mover mover_;
  std::vector<double> move_;
  std::vector<std::vector<float>> errors_;  // by level
  Damages sum_{};
};

/// The places of a layer's weights in its tensor.
std::vector<std::size_t> places_of(const Network& network, const Layer& layer) {
  std::vector<std::size_t> places;
  each_run(weight_view(network.parameters[layer.parameter].shape(), layer), [&](std::int64_t first, std::int64_t count) {
    for (std::int64_t i = first; i < first + count; ++i) places.push_back(static_cast<std::size_t>(i));
  });
  return places;
}

class NormalPrediction final : public Prediction {
 public:
  NormalPrediction(const Network& network, const Layer& layer, std::span<const double> levels)
      : levels_(levels),
        places_(places_of(network, layer)),
        largest_(largest_weight(network.parameters, layer)),
        mover_(static_cast<std::size_t>(network.classes())),
        move_(static_cast<std::size_t>(network.classes())) {}

  void add(const Jacobian& jacobian, std::size_t sample, std::uint64_t key) override {
    mover_.start(jacobian.logits(sample));
    const std::vector<double> root = root_of_gram(jacobian, sample);
    Random random(key);
    for (const double level : levels_)
      for (std::size_t draw = 0; draw < most_draws; ++draw) {
        std::ranges::fill(move_, 0);
        for (std::size_t b = 0; b < move_.size(); ++b) {
          const double normal = random.normal();
          for (std::size_t a = b; a < move_.size(); ++a) move_[a] += root[a * move_.size() + b] * normal;
        }
        safer::add(sum_, mover_.damage(move_, level * largest_), 1 / static_cast<double>(most_draws * levels_.size()));
      }
  }
  Damages mean(std::size_t samples) const override {
    Damages result{};
    safer::add(result, sum_, 1 / static_cast<double>(samples));
    return result;
  }

 private:
  /// The lower triangle L of L L' = J J'.
  std::vector<double> root_of_gram(const Jacobian& jacobian, std::size_t sample) const {
    const std::size_t n = jacobian.classes();
    std::vector<double> root(n * n);
    for (std::size_t a = 0; a < n; ++a)
      for (std::size_t b = 0; b <= a; ++b) {
        const std::span<const float> left = jacobian.row(sample, a), right = jacobian.row(sample, b);
        double dot = 0;
        for (const std::size_t i : places_) dot += double{left[i]} * right[i];
        for (std::size_t k = 0; k < b; ++k) dot -= root[a * n + k] * root[b * n + k];
        const double pivot = a == b ? std::sqrt(std::max(0.0, dot)) : root[b * n + b];
        root[a * n + b] = a == b ? pivot : pivot > 0 ? dot / pivot : 0;
      }
    return root;
  }

  std::span<const double> levels_;
  std::vector<std::size_t> places_;
  double largest_;
  Mover mover_;
  std::vector<double> move_;
  Damages sum_{};
};

/// Of zeros and impulses.
class HitPrediction final : public Prediction {
 public:
  HitPrediction(const Network& network, const Layer& layer, Noise noise, std::span<const double> levels)
      : weight_(network.parameters[layer.parameter]),
        impulse_(noise == Noise::impulse),
        levels_(levels),
        places_(places_of(network, layer)),
        largest_(largest_weight(network.parameters, layer)),
        mover_(static_cast<std::size_t>(network.classes())),
        curves_(damage_count, HitCurve(static_cast<std::int64_t>(places_.size()), levels)) {}

  void add(const Jacobian& jacobian, std::size_t sample, std::uint64_t key) override {
    mover_.start(jacobian.logits(sample));
    Random random(key);
    // A new order for each sample, where that is cheap beside the rest; else for some, and in between others of its neighbours.
    if (seen_++ % (1 + places_.size() / 1024) == 0) random.shuffle(std::span(places_));
    sum_in_random_order(jacobian, sample, random.below(places_.size()));
    const std::size_t classes = jacobian.classes();
    std::vector<double> move(classes);
    for (std::size_t point = 0; point < curves_[0].grid().size(); ++point) {
      const auto hits = static_cast<std::size_t>(curves_[0].grid()[point]);
      const std::size_t windows = std::min(most_draws, places_.size() / hits);
      const std::size_t heights = impulse_ ? most_draws / windows : 1;
      for (std::size_t window = 0; window < windows; ++window) {
        const double *begin = sums_.data() + window * hits * classes, *end = begin + hits * classes;
        for (std::size_t c = 0; c < classes; ++c) move[c] = end[c] - begin[c];
        for (std::size_t i = 0; i < heights; ++i) {
          const double times =
              impulse_ ? largest_ * ((static_cast<double>(i) + random.uniform()) / static_cast<double>(heights)) : -1;
          const Damages damages = mover_.damage(move, times);
          for (std::size_t kind = 0; kind < curves_.size(); ++kind)
            curves_[kind].add(point, damages[kind], 1 / static_cast<double>(windows * heights));
        }
      }
    }
  }
  Damages mean(std::size_t) const override {
    Damages result{};
    for (std::size_t kind = 0; kind < result.size(); ++kind)
      for (const double level : levels_) result[kind] += curves_[kind].mean(level) / static_cast<double>(levels_.size());
    return result;
  }

 private:
  /// sums_[k]: of k weights of the random order, from the one at `start` on.
  void sum_in_random_order(const Jacobian& jacobian, std::size_t sample, std::size_t start) {
    const std::size_t classes = jacobian.classes();
    sums_.resize((places_.size() + 1) * classes);
    std::fill_n(sums_.begin(), classes, 0.0);
    const std::span<const float> w = weight_.values<float>();
    std::array<std::span<const float>, most_logits> rows;
    for (std::size_t c = 0; c < classes; ++c) rows[c] = jacobian.row(sample, c);
    double* to = sums_.data() + classes;
    std::array<double, most_logits> sum{};
    const auto add_up = [&](std::span<const std::size_t> places) {
      for (const std::size_t i : places) {
        const double added = impulse_ ? 1 : double{w[i]};
        for (std::size_t c = 0; c < classes; ++c) *to++ = sum[c] += added * rows[c][i];
      }
    };
    add_up(std::span(places_).subspan(start));
    add_up(std::span(places_).first(start));
  }

  Tensor weight_;
  bool impulse_;
  std::span<const double> levels_;
  std::vector<std::size_t> places_;  // in a random order
  std::size_t seen_ = 0;             // samples
  double largest_;
  Mover mover_;
  std::vector<HitCurve> curves_;  // by kind of damage
  std::vector<double> sums_;      // [weights + 1, logits]
};

std::unique_ptr<Prediction> prediction(const Network& network, const Layer& layer, Noise noise, std::span<const double> levels) {
  switch (noise) {
    case Noise::rounding: return std::make_unique<RoundingPrediction>(network, layer, levels);
    case Noise::gaussian: return std::make_unique<NormalPrediction>(network, layer, levels);
    default: return std::make_unique<HitPrediction>(network, layer, noise, levels);
  }
}

}  // namespace

std::vector<std::vector<Damages>> linearised_damage(const Network& network, std::span<const Layer> layers, const Tensor& inputs,
                                                    std::span<const SeededNoise> noises, std::span<const double> levels) {
  check_inputs(network, inputs, "linearised damage");
  const auto samples = static_cast<std::size_t>(inputs.shape()[0]), classes = static_cast<std::size_t>(network.classes());
  if (samples == 0) throw Error("linearised damage: no samples");
  if (classes > most_logits)
    throw Error("linearised damage: {}: {} logits, each of which takes a sweep; at most {} are supported", network.name, classes,
                most_logits);
  std::vector<std::vector<Damages>> all(noises.size());
  if (noises.empty()) return all;
  for (const Layer& layer : layers) {
    const auto weights = static_cast<std::size_t>(network.parameters[layer.parameter].size());
    const std::size_t batch = std::min({samples, most_samples, std::max<std::size_t>(1, most_floats / (classes * weights))});
    std::vector<std::unique_ptr<Prediction>> predicted;
    for (const SeededNoise& noise : noises) predicted.push_back(prediction(network, layer, noise.noise, levels));
    const auto run = [&](std::size_t first, std::size_t last, std::size_t size) {
      if (first == last) return;
      Jacobian jacobian(network, layer.parameter, size);
      for (; first < last; first += size) {
        jacobian.find(inputs, first);
        for (std::size_t i = 0; i < noises.size(); ++i)
          for (std::size_t sample = 0; sample < size; ++sample)
            predicted[i]->add(jacobian, sample, mix(mix(noises[i].seed, hash(layer.name)), first + sample));
      }
    };
    const std::size_t whole = samples / batch * batch;
    run(0, whole, batch);
    run(whole, samples, samples - whole);
    for (std::size_t i = 0; i < noises.size(); ++i) all[i].push_back(predicted[i]->mean(samples));
  }
  return all;
}

}  // namespace safer

// Tiles of per-sample weight gradients of every op that has shared inputs.

#include <doctest/doctest.h>

#include "tests/engine/ops/op_case.h"

namespace safer::test {
namespace {

/// Asks for tiles of every kind; memory is handed over dirty.
template <class T>
struct Tiles final : GradientSink<T> {
  struct Of {
    std::vector<double> batch, last_two;          // sums
    std::vector<std::vector<double>> samples;     // each alone
    std::vector<std::vector<double>> split_rows;  // the same, computed as several ranges of rows
  };
  bool per_sample() const override { return true; }
  void fold(const ParameterGradient<T>& gradient) override {
    const std::int64_t samples = gradient.samples(), rows = gradient.rows();
    Of& of = tiles[gradient.parameter()];
    of.batch = tile(gradient, {0, samples}, {0, rows});
    of.last_two = tile(gradient, {samples - 2, samples}, {0, rows});
    for (std::int64_t s = 0; s < samples; ++s) {
      of.samples.push_back(tile(gradient, {s, s + 1}, {0, rows}));
      std::vector<double>& split = of.split_rows.emplace_back();
      for (const Range part : {Range{0, rows / 2}, Range{rows / 2, rows - rows / 4}, Range{rows - rows / 4, rows}})
        for (const double value : tile(gradient, {s, s + 1}, part)) split.push_back(value);
    }
  }
  static std::vector<double> tile(const ParameterGradient<T>& gradient, Range samples, Range rows) {
    std::vector<T> out(static_cast<std::size_t>(rows.size() * gradient.row_size()), T(-77));
    if (!out.empty()) gradient.tile(samples, rows, out.data());
    return {out.begin(), out.end()};
  }
  std::map<int, Of> tiles;
};

std::vector<double> total(std::span<const std::vector<double>> parts) {
  std::vector<double> total(parts.front().size(), 0);
  for (const std::vector<double>& part : parts)
    for (std::size_t i = 0; i < part.size(); ++i) total[i] += part[i];
  return total;
}

template <class T>
void check_tiles(const OpCase& op_case) {
  constexpr std::int64_t batch = 5;
  const double ulp = std::is_same_v<T, float> ? 0x1p-23 : 0x1p-52;
  const Recorded recorded(op_case);
  if (recorded.tape.parameters()->size() == 0 || recorded.mixes_samples()) return;
  const Data data = recorded.draw(batch);
  const std::vector<double> seed = recorded.seed(batch);
  const ValueType& root = recorded.tape.node(recorded.root).type;
  if (!root.batched()) return;
  Runner<T> runner(recorded.tape, {.outputs = {recorded.root}, .root = recorded.root, .gradients = leaves(recorded.tape)}, data);
  runner.replay();
  Tiles<T> sink;
  runner.workspace.reverse(sink, std::vector<T>(seed.begin(), seed.end()));

  Deviation deviation;
  for (const auto& [parameter, tiles] : sink.tiles) {
    const std::string& name = (*recorded.tape.parameters())[parameter].name;
    double magnitude = 0;
    for (const auto& sample : tiles.samples) magnitude = std::max(magnitude, largest(sample));
    const double tolerance = op_case.ulps * ulp * magnitude;
    deviation.add(name + ", batch", tiles.batch, total(tiles.samples), static_cast<double>(batch) * tolerance);
    deviation.add(name + ", last two", tiles.last_two, total(std::span(tiles.samples).last(2)), 2 * tolerance);
    for (std::int64_t s = 0; s < batch; ++s) {
      const auto at = static_cast<std::size_t>(s);
      const Outcome alone = differentiate<T>(recorded.tape, recorded.root, sample_of(recorded.tape, data, s),
                                             sample_of<double>(root, seed, batch, s));
      const std::vector<double>& expected = alone.gradients.at(recorded.tape.parameter_value(parameter));
      deviation.add(fmt::format("{}, sample {}", name, s), tiles.samples[at], expected, tolerance);
      deviation.add(fmt::format("{}, sample {} by rows", name, s), tiles.split_rows[at], tiles.samples[at], tolerance);
    }
  }
  INFO(op_case.op, ", ", op_case.label, sizeof(T) == 4 ? ", float" : ", double");
  CHECK_MESSAGE(deviation.ratio <= 1, deviation.where);
}

}  // namespace

TEST_CASE("ops: per-sample gradients are those of the samples alone, and add up to the batch's") {
  for (const OpCase& op_case : all_cases()) {
    check_tiles<double>(op_case);
    check_tiles<float>(op_case);
  }
}

}  // namespace safer::test

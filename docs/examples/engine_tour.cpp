// The program that docs/engine-tour.md walks through. It runs as a test: each step checks what the text says.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "engine/ops/ops.h"
#include "engine/tape/batch_gradient.h"
#include "engine/tape/workspace.h"

namespace {

void expect(std::span<const float> found, std::vector<float> expected, const char* what) {
  bool equal = found.size() == expected.size();
  std::printf("%s:", what);
  for (std::size_t i = 0; i < found.size(); ++i) {
    std::printf(" %g", static_cast<double>(found[i]));
    equal = equal && found[i] == expected[i];
  }
  std::printf("%s\n", equal ? "" : "   <- not what the tour says");
  if (!equal) std::exit(1);
}

// [sink]
/// Folds each sample's own gradient into a sum of squares, a row of the weight at a time.
struct SquareSink final : safer::GradientSink<float> {
  bool per_sample() const override { return true; }
  void fold(const safer::ParameterGradient<float>& gradient) override {
    const auto row_size = static_cast<std::size_t>(gradient.row_size());
    squares.assign(static_cast<std::size_t>(gradient.rows()) * row_size, 0);
    std::vector<float> tile(row_size);
    for (std::int64_t row = 0; row < gradient.rows(); ++row)
      for (std::int64_t sample = 0; sample < gradient.samples(); ++sample) {
        gradient.tile({sample, sample + 1}, {row, row + 1}, tile.data());
        for (std::size_t i = 0; i < row_size; ++i) squares[static_cast<std::size_t>(row) * row_size + i] += tile[i] * tile[i];
      }
  }
  std::vector<float> squares;
};
// [sink]

}  // namespace

int main() {
  using namespace safer;
  // [record]
  Tape tape;
  const Var x = tape.input("x", {2});                                    // [N, 2]
  const Var W = tape.parameter({.name = "fc.weight", .shape = {3, 2}});  // [out, in]
  const Var y = linear(x, W);                                            // [N, 3]
  const Var f = sum(y, {1});                                             // [N]: what is differentiated
  // [record]

  // [replay]
  Parameters parameters(tape.parameters());
  const std::vector<float> weight = {1, 0, 0, 1, 1, 1};
  parameters.set(0, Tensor::of<float>({3, 2}, weight));
  const auto plan = std::make_shared<const Plan>(
      tape, PlanOptions{.batch = 2, .outputs = {y.id()}, .root = f.id(), .gradients = {W.id()}, .resume = {W.id()}});
  Workspace<float> workspace(plan);
  const std::vector<float> samples = {1, 2, 10, 20};
  workspace.bind(x, samples);
  workspace.replay(parameters);
  // [replay]
  expect(workspace.value(y), {1, 2, 3, 10, 20, 30}, "y");

  // [reverse]
  BatchGradient<float> sink(*tape.parameters());
  workspace.reverse(sink);
  // [reverse]
  expect(sink.of(0), {11, 22, 11, 22, 11, 22}, "sum over samples of df/dW");

  // [per-sample]
  SquareSink squares;
  workspace.reverse(squares);
  // [per-sample]
  expect(squares.squares, {101, 404, 101, 404, 101, 404}, "sum over samples of (df/dW)^2");

  // [resume]
  Parameters perturbed = parameters;          // shares every tensor ...
  perturbed.mutable_values<float>(0)[0] = 5;  // ... but the one that is written to
  workspace.resume(0, perturbed);
  // [resume]
  expect(workspace.value(y), {5, 2, 3, 50, 20, 30}, "y after the change");
  return 0;
}

// Replays and sweeps in the steady state, after the first ones, leave the heap alone.

#include <doctest/doctest.h>

#include "engine/tape/batch_gradient.h"
#include "tests/allocation_counter.h"
#include "tests/engine/ops/op_case.h"

namespace safer::test {
namespace {

/// Looks at each sample's gradient in memory of its own.
struct EachSample final : GradientSink<float> {
  explicit EachSample(std::size_t largest) : tile(largest) {}
  bool per_sample() const override { return true; }
  void fold(const ParameterGradient<float>& gradient) override {
    for (std::int64_t s = 0; s < gradient.samples(); ++s) gradient.tile({s, s + 1}, {0, gradient.rows()}, tile.data());
  }
  std::vector<float> tile;
};

}  // namespace

TEST_CASE("ops: steady-state replays and sweeps allocate nothing") {
  if (!AllocationCounter::works) {
    MESSAGE("not tested, allocations cannot be counted in this build");
    return;
  }
  for (const OpCase& op_case : all_cases()) {
    const Recorded recorded(op_case);
    const Data data = recorded.draw(5);
    Runner<float> runner(recorded.tape, {.outputs = {recorded.root}, .root = recorded.root, .gradients = leaves(recorded.tape)},
                         data);
    BatchGradient<float> batch(*recorded.tape.parameters());
    EachSample samples(static_cast<std::size_t>(data.parameters.elements()));
    const auto train = [&] {
      for (int id = 0; id < runner.parameters.size(); ++id)
        runner.parameters.mutable_values<float>(id);  // what is packed is stale now
      runner.replay();
      runner.workspace.reverse(batch);
      if (recorded.tape.node(recorded.root).type.batched() && !recorded.mixes_samples()) runner.workspace.reverse(samples);
    };
    for (int warm_up = 0; warm_up < 2; ++warm_up) train();
    const AllocationCounter counter;
    train();
    const std::int64_t allocations = counter.allocations();
    INFO(op_case.op, ", ", op_case.label);
    CHECK(allocations == 0);
  }
}

}  // namespace safer::test

#include "engine/tape/fusion.h"

#include <doctest/doctest.h>

#include "engine/parallel.h"
#include "tests/allocation_counter.h"
#include "tests/engine/tape/fused_block.h"
#include "tests/engine/tape/toy_network.h"

namespace safer::test {
namespace {

/// conv1 + add + relu, conv2 + relu6 and so on, on a tape of their own.
struct Chain {
  Tape tape;
  Recording recording{tape, Stand::plain};
  Block block{.norm = Block::Norm::none, .residual = Block::Residual::right, .activation = relu};
  Var x = recording.input("x", block.input_shape());
  Var r = recording.input("r", block.input_shape());

  Var record(Var from, Var other, const std::string& name) { return block.record(recording, from, other, name); }
  /// The value called `name`.
  Var named(const std::string& name) { return tape.var(tape.find(name)); }
};

/// Every block: layers, biases, norms, residuals and activations.
std::vector<Block> all_blocks() {
  std::vector<Block> blocks;
  for (const Block::Layer layer : block_layers)
    for (const bool bias : {false, true})
      for (const Block::Residual residual : block_residuals) {
        for (const Block::Norm norm : block_norms) blocks.push_back({layer, bias, norm, residual});
        for (int f = 0; f < kernels::unary_count; ++f) {
          const auto function = static_cast<kernels::Unary>(f);
          const double low = function == kernels::Unary::log ? 0.5 : function == kernels::Unary::sqrt ? 0 : -1;
          for (const Block::Norm norm : {Block::Norm::none, Block::Norm::full})
            blocks.push_back({layer, bias, norm, residual, block_activations[f], low});
        }
      }
  return blocks;
}

template <class T>
std::vector<double> run(const Tape& tape, const Data& data, PlanOptions options,
                        const kernels::KernelTable<T>& table = kernels::table<T>()) {
  const ValueId output = options.outputs[0];
  Runner<T> runner(tape, std::move(options), data, table);
  runner.replay();
  return runner.value(output);
}

}  // namespace

TEST_CASE("fusion: a block is one step, and gives what its ops give") {
  for (const Block& block : all_blocks()) {
    Tape tape;
    Recording recording(tape, Stand::plain);
    const Var x = recording.input("x", block.input_shape(), block.draw()),
              r = recording.input("r", block.input_shape(), block.draw());
    const Var y = block.record(recording, x, r, "layer");
    INFO(block.label(), ": ", listed(tape, {.outputs = {y.id()}}));
    REQUIRE(Plan(tape, {.outputs = {y.id()}}).full().forward.size() == 1);
    const Data data = recording.draw(3, Mode::inference);
    const PlanOptions fused{.outputs = {y.id()}}, plain{.outputs = {y.id()}, .fuse = false};
    REQUIRE(Plan(tape, plain).full().forward.size() == static_cast<std::size_t>(tape.size() - 2 - tape.parameters()->size()));
    const std::vector<double> expected = run<double>(tape, data, plain);
    // Sums of at most 36 products and a bias, scaled and added to; then a function with a slope of 2 |x| at most. Rounding is that
    // of the largest numbers on the way.
    const ValueId before = block.activation ? tape.node(y.id()).inputs[0] : y.id();
    const double size = std::max({1.0, largest(expected), largest(run<double>(tape, data, {.outputs = {before}, .fuse = false}))});
    Deviation in_double;
    in_double.add("fused", run<double>(tape, data, fused), expected, 40 * 0x1p-52 * size);
    CHECK_MESSAGE(in_double.ratio <= (block.norm == Block::Norm::none ? 0 : 1), in_double.where);
    for (const kernels::Isa& isa : kernels::isas()) {
      if (!isa.runs_here()) continue;
      Deviation deviation;
      deviation.add("fused", run<float>(tape, data, fused, *isa.table), expected, 40 * 0x1p-23 * size);
      deviation.add("one by one", run<float>(tape, data, plain, *isa.table), expected, 40 * 0x1p-23 * size);
      CHECK_MESSAGE(deviation.ratio <= 1, isa.table->name, ": ", deviation.where);
    }
  }
}

TEST_CASE("fusion: values that somebody else reads exist, and nothing is fused across them") {
  Chain chain;
  const Var y = chain.record(chain.x, chain.r, "conv1");
  const ValueId conv = chain.tape.find("conv1"), sum = chain.tape.find("conv1.add"), out = y.id();
  const auto plan = [&](PlanOptions options) { return listed(chain.tape, std::move(options)); };
  CHECK(plan({.outputs = {out}}) == "conv1 + conv1.add + relu");
  CHECK(plan({.outputs = {out}, .fuse = false}) == "conv1 | conv1.add | relu");
  CHECK(plan({.outputs = {out}, .root = out, .gradients = {chain.x.id()}}) == "conv1 | conv1.add | relu");
  CHECK(plan({.outputs = {out, conv}}) == "conv1 | conv1.add | relu");
  CHECK(plan({.outputs = {out, sum}}) == "conv1 + conv1.add | relu");
  CHECK(plan({.outputs = {out}, .root = sum}) == "conv1 + conv1.add | relu");
  CHECK(plan({.outputs = {out}, .taps = {conv}}) == "conv1 | conv1.add | relu");
  CHECK(plan({.outputs = {out}, .taps = {sum}}) == "conv1 + conv1.add | relu");
  CHECK(plan({.outputs = {out}, .taps = {out}}) == "conv1 + conv1.add + relu");
  CHECK(plan({.outputs = {out}, .resume = {conv}}) == "conv1 | conv1.add | relu");
  CHECK(plan({.outputs = {out}, .resume = {sum}}) == "conv1 + conv1.add | relu");
  CHECK(plan({.outputs = {out}, .resume = {chain.r.id()}}) == "conv1 | conv1.add | relu");  // what conv1 gave is read again
  CHECK(plan({.outputs = {out}, .resume = {chain.x.id()}}) == "conv1 + conv1.add + relu");
  CHECK(plan({.outputs = {out}, .resume = {chain.named("conv1.weight").id()}}) == "conv1 + conv1.add + relu");
  CHECK(plan({.outputs = {sum}}) == "conv1 + conv1.add");  // relu is not needed: it reads nothing
}

TEST_CASE("fusion: values that are read twice exist") {
  Chain chain;
  const Var y = chain.record(chain.x, chain.r, "conv1");
  const auto plan = [&](Var out) { return listed(chain.tape, {.outputs = {out.id()}}); };
  CHECK(plan(y * chain.named("conv1")) == "conv1 | conv1.add | relu | mul");
  CHECK(plan(mul(y, chain.named("conv1.add"), "of the sum")) == "conv1 + conv1.add | relu | of the sum");
  CHECK(plan(mul(y, y, "of the end")) == "conv1 + conv1.add + relu | of the end");
  chain.block.residual = Block::Residual::none;
  chain.block.activation = nullptr;
  const Var z = chain.record(chain.x, {}, "conv2");
  CHECK(plan(add(z, z, "twice")) == "conv2 | twice");
}

TEST_CASE("fusion: a residual must have the same type and be there in time") {
  Chain chain;
  chain.block.residual = Block::Residual::none;
  chain.block.activation = nullptr;
  const auto plan = [&](Var out) { return listed(chain.tape, {.outputs = {out.id()}}); };
  const Var narrow = chain.recording.input("narrow", {1, 1, 3, 5}), shared = chain.recording.parameter("shared", {1, 4, 3, 5});
  CHECK(plan(add(chain.record(chain.x, {}, "a"), narrow, "broadcast")) == "a | broadcast");
  CHECK(plan(add(chain.record(chain.x, {}, "b"), shared, "for all samples")) == "b | for all samples");
  CHECK(plan(sub(chain.record(chain.x, {}, "c"), chain.r, "less")) == "c | less");
  const Var early = chain.record(chain.x, {}, "early"), late = relu(chain.r);
  CHECK(plan(add(early, late, "with late")) == "early | relu | with late");
  // Of two candidates the one whose residual is there takes the sum.
  const Var left = chain.record(chain.x, {}, "left"), right = chain.record(chain.r, {}, "right");
  CHECK(plan(add(left, right, "both")) == "left | right + both");
  // Recorded in turns: what is fused stands where its first op stood.
  const Var first = chain.record(chain.x, {}, "first"), second = chain.record(chain.r, {}, "second");
  const Var first_end = chain.tape.rename(relu(first), "first end"), sum = add(first_end, second, "sum");
  CHECK(plan(chain.tape.rename(relu6(sum), "end")) == "first + first end | second + sum + end");
}

TEST_CASE("fusion: a chain of blocks, whose residuals are read again, takes no more memory") {
  Chain chain;
  const Var h1 = chain.record(chain.x, chain.x, "conv1");  // the residual is what the layer reads
  const Var h2 = chain.record(h1, h1, "conv2");
  const Var h3 = chain.record(h2, h1, "conv3");
  const Var y = chain.tape.rename(h3 * h1, "y");  // and is read once more
  const PlanOptions fused{.batch = 3, .outputs = {y.id()}}, plain{.batch = 3, .outputs = {y.id()}, .fuse = false};
  CHECK(listed(chain.tape, fused) == "conv1 + conv1.add + relu | conv2 + conv2.add + relu_2 | conv3 + conv3.add + relu_3 | y");
  CHECK(Plan(chain.tape, fused).bytes() <= Plan(chain.tape, plain).bytes());
  const Data data = chain.recording.draw(3, Mode::inference);
  CHECK(run<double>(chain.tape, data, fused) == run<double>(chain.tape, data, plain));
}

TEST_CASE("fusion: resumed runs give the bits of full ones, taps see what they saw") {
  Chain chain;
  const Var h1 = chain.record(chain.x, chain.x, "conv1"), h2 = chain.record(h1, h1, "conv2"), y = chain.record(h2, h1, "conv3");
  const Data data = chain.recording.draw(3, Mode::inference);
  const std::vector<ValueId> points = {chain.named("conv1.weight").id(), chain.named("conv2.bias").id(),
                                       chain.tape.find("conv2.add"), chain.named("conv3.weight").id()};
  const ValueId tapped = chain.tape.find("conv2.add");
  Runner<float> resumed(chain.tape, {.outputs = {y.id()}, .resume = points, .taps = {tapped}}, data);
  Runner<float> full(chain.tape, {.outputs = {y.id()}, .taps = {tapped}}, data);
  Runner<float> plain(chain.tape, {.outputs = {y.id()}, .taps = {tapped}, .fuse = false}, data);
  CHECK(resumed.workspace.plan().full().forward.size() < static_cast<std::size_t>(chain.tape.size() - 8));
  resumed.replay();
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (const int parameter = chain.tape.node(points[i]).parameter; parameter >= 0)
      for (Runner<float>* runner : {&resumed, &full, &plain}) runner->parameters.mutable_values<float>(parameter)[1] += 0.5f;
    std::vector<float> seen[3];
    Runner<float>* const runners[] = {&resumed, &full, &plain};
    for (std::size_t k = 0; k < 3; ++k)
      runners[k]->workspace.tap(tapped, [&seen, k](std::span<float> values) { seen[k].assign(values.begin(), values.end()); });
    resumed.workspace.resume(i, resumed.parameters);
    full.replay();
    plain.replay();
    INFO("resume point ", i);
    CHECK(resumed.value(y.id()) == full.value(y.id()));
    Deviation deviation;
    deviation.add("fused", full.value(y.id()), plain.value(y.id()), 100 * 0x1p-23 * largest(plain.value(y.id())));
    CHECK_MESSAGE(deviation.ratio <= 1, deviation.where);
    CHECK(seen[0] == (i < 3 ? seen[1] : std::vector<float>{}));  // conv3 comes after the tap
    CHECK(seen[1].size() == seen[2].size());
    resumed.replay();
  }
}

TEST_CASE("fusion: the number of threads changes no bit, replays allocate nothing") {
  Chain chain;
  const Var h1 = chain.record(chain.x, chain.x, "conv1");
  chain.block.layer = Block::Layer::depthwise;
  const Var y = chain.record(h1, h1, "conv2");
  const std::int64_t batch = 2000;
  const Data data = chain.recording.draw(batch, Mode::inference);
  Runner<float> runner(chain.tape, {.outputs = {y.id()}}, data);
  const int before = available_threads();
  set_threads(1);
  runner.replay();
  const std::vector<double> alone = runner.value(y.id());
  for (const int threads : {2, 4}) {
    set_threads(threads);
    runner.replay();
    CHECK(runner.value(y.id()) == alone);
  }
  set_threads(before);
  runner.replay();
  const AllocationCounter counter;
  runner.replay();
  if (AllocationCounter::works) CHECK(counter.allocations() == 0);
}

}  // namespace safer::test

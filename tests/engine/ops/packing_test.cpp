// Weights are laid out for kernels once for each of their versions, not once a run.

#include <doctest/doctest.h>

#include <algorithm>

#include "engine/ops/ops.h"
#include "engine/tape/batch_gradient.h"
#include "tests/engine/ops/op_case.h"

namespace safer::test {
namespace {

int packs = 0;

/// The kernels in use, counting how often they pack a weight for convolutions and products. Convolutions pack a plain copy.
kernels::KernelTable<float> counting_table() {
  kernels::KernelTable<float> table = kernels::table<float>();
  table.name = "counting";
  table.pack_b = [](float* to, const kernels::Gemm<float>& gemm) {
    ++packs;
    kernels::table<float>().pack_b(to, gemm);
  };
  table.packed_conv2d_size = [](const kernels::Conv& conv) {
    return conv.out_channels * (conv.in_channels / conv.groups) * conv.rows.taps * conv.columns.taps;
  };
  table.pack_conv2d = [](const kernels::Conv& conv, float* to, const float* w) {
    ++packs;
    std::copy_n(w, conv.out_channels * (conv.in_channels / conv.groups) * conv.rows.taps * conv.columns.taps, to);
  };
  table.conv2d = [](const kernels::Conv& conv, float* y, const float* x, const float*, const float* packed,
                    const kernels::Epilogue<float>& epilogue) {
    kernels::table<float>().conv2d(conv, y, x, packed, nullptr, epilogue);
  };
  return table;
}

/// How often `steps` pack.
template <class F>
int packs_of(const F& steps) {
  packs = 0;
  steps();
  return packs;
}

}  // namespace

TEST_CASE("packing: a linear layer packs its weight once for the product and once for the gradient of its input") {
  const kernels::KernelTable<float> table = counting_table();
  for (const WeightLayout layout : {WeightLayout::out_in, WeightLayout::in_out}) {
    Tape tape;
    Recording recording(tape, Stand::plain);
    const Var x = recording.input("x", {1, 24}), w = recording.parameter("w", {24, 24});
    const Var y = linear(x, w, {}, "fc", layout);
    const Data data = recording.draw(100, Mode::inference);
    Runner<float> runner(tape, {.outputs = {y.id()}, .root = y.id(), .gradients = {x.id(), w.id()}}, data, table);
    BatchGradient<float> sink(*tape.parameters());
    const auto run = [&] {
      runner.replay();
      runner.workspace.reverse(sink);
    };
    CHECK(packs_of(run) == 2);
    CHECK(packs_of(run) == 0);
    runner.parameters.mutable_values<float>(0)[3] += 1;
    CHECK(packs_of(run) == 2);
    CHECK(packs_of(run) == 0);
    // Another workspace, of another size, finds what was packed.
    Runner<float> other(tape, {.outputs = {y.id()}}, recording.draw(70, Mode::inference), table);
    other.parameters = runner.parameters;
    CHECK(packs_of([&] { other.replay(); }) == 0);
  }
}

TEST_CASE("packing: a convolution packs its weight once, folded or not") {
  const kernels::KernelTable<float> table = counting_table();
  Tape tape;
  Recording recording(tape, Stand::plain);
  const Var x = recording.input("x", {1, 4, 5, 5}), w = recording.parameter("w", {6, 4, 3, 3});
  const Var mean = recording.parameter("mean", {6}), variance = recording.parameter("variance", {6}, {.low = 0.5, .high = 2});
  const Var y = conv2d(x, w), z = batch_norm(conv2d(x, w, {}, {.padding = 1}, "again"), {}, {}, mean, variance);
  const Data data = recording.draw(3, Mode::inference);
  Runner<float> plain(tape, {.outputs = {y.id()}}, data, table), folded(tape, {.outputs = {z.id()}}, data, table);
  for (Runner<float>* runner : {&plain, &folded}) {
    const auto run = [&] { runner->replay(); };
    CHECK(packs_of(run) == 1);
    CHECK(packs_of(run) == 0);
    runner->parameters.mutable_values<float>(0)[3] += 1;
    CHECK(packs_of(run) == 1);
    CHECK(packs_of(run) == 0);
  }
  folded.parameters.mutable_values<float>(folded.parameters.id("variance"))[0] += 1;
  CHECK(packs_of([&] { folded.replay(); }) == 1);
  plain.parameters.mutable_values<float>(plain.parameters.id("variance"))[0] += 1;
  CHECK(packs_of([&] { plain.replay(); }) == 0);
  Runner<float> other(tape, {.outputs = {y.id()}}, recording.draw(2, Mode::inference), table);
  other.parameters = plain.parameters;
  CHECK(packs_of([&] { other.replay(); }) == 0);
}

}  // namespace safer::test

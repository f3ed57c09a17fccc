#include <cstdint>
#include <cstdio>
#include <string>

#include "criteria/rank_layers.h"
#include "engine/ops/activation.h"
#include "engine/ops/linear.h"
#include "models/data/data_spec.h"
#include "models/evaluation.h"
#include "models/initialization.h"
#include "models/training.h"

int main() {
  using namespace safer;
  Network network{.name = "mine"};
  Tape& tape = network.tape;

  // The program, recorded by running it once on named values.
  const auto dense = [&](Var x, std::int64_t outputs, const std::string& name) {
    const Var W = tape.parameter({.name = name + ".weight", .shape = {outputs, x.shape()[1]}});
    const Var b = tape.parameter({.name = name + ".bias", .shape = {outputs}, .role = Role::bias});
    return linear(x, W, b);
  };
  const Var x = tape.input("x", {2});
  const Var y = dense(relu(dense(relu(dense(x, 32, "first")), 32, "second")), 2, "head");
  network.input = x.id();
  network.logits = y.id();

  // The weights, apart from it.
  network.parameters = Parameters(tape.parameters());
  initialize(network.parameters, Initialization::he_normal, /*seed=*/1);
  train(network, load_data("moons", Split::training));
  std::printf("test accuracy %.3f\n", evaluate(network, load_data("moons", Split::test)).accuracy);

  const RankResult result = rank_layers(network, load_data("moons", Split::calibration).inputs);
  for (const RankedLayer& layer : result.reports[0].layers)
    std::printf("%d %s %.3g\n", layer.rank, layer.name.c_str(), layer.score);
}

#include "models/batch_norm_folding.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "engine/ops/activation.h"
#include "engine/ops/elementwise.h"
#include "engine/ops/norm.h"
#include "engine/ops/pool.h"
#include "engine/ops/shape_ops.h"
#include "engine/random.h"
#include "models/evaluation.h"
#include "models/initialization.h"
#include "models/layers.h"
#include "models/resnet8.h"

using namespace safer;

namespace {

/// Random parameters, all of which matter.
template <class Record>
Network make(const Shape& sample, const Record& record) {
  Network network{.name = "test", .metadata = {{"model", "test"}}, .pixels = imagenet_pixels};
  const Var x = network.tape.input("x", sample);
  network.input = x.id();
  network.logits = record(x).id();
  network.parameters = Parameters(network.tape.parameters());
  initialize(network.parameters, Initialization::he_normal, 2);
  Random random(7);
  for (int id = 0; id < network.parameters.size(); ++id)
    if (network.parameters.spec(id).role != Role::weight)
      for (float& value : network.parameters.mutable_values<float>(id)) value += static_cast<float>(0.5 * random.uniform());
  return network;
}

/// The largest difference of logits relative to the largest logit.
double difference(const Network& a, const Network& b) {
  Shape shape = a.sample_shape();
  shape[0] = 4;
  Tensor x(DType::f32, shape);
  Random random(8);
  for (float& value : x.mutable_values<float>()) value = static_cast<float>(random.normal());
  const Tensor found = predict(a, x), expected = predict(b, x);
  double off = 0, largest = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(found.size()); ++i) {
    off = std::max(off, std::abs(double{found.values<float>()[i]} - double{expected.values<float>()[i]}));
    largest = std::max(largest, std::abs(double{expected.values<float>()[i]}));
  }
  return off / largest;
}

int count(const Network& network, std::string_view op) {
  return static_cast<int>(
      std::ranges::count_if(network.tape.nodes(), [&](const Node& node) { return node.op && node.op->name() == op; }));
}

}  // namespace

TEST_CASE("batch norm folding: ResNet-8 computes the same without its norms") {
  const Network network = make({3, 32, 32}, [](Var x) { return resnet8(x); });
  const Network folded = fold_batch_norms(network);
  CHECK(count(network, "batch_norm") == 7);
  CHECK(count(folded, "batch_norm") == 0);
  CHECK(difference(folded, network) <= 1e-5);
  CHECK(folded.parameters.elements() == 77360 + 16 * 3 + 32 * 3 + 64 * 3 + 10);
  CHECK(folded.name == network.name);
  CHECK(folded.metadata == network.metadata);
  CHECK(folded.pixels == network.pixels);
  const std::vector<Layer> before = network.tape.layers(), after = folded.tape.layers();
  REQUIRE(before.size() == after.size());
  for (std::size_t i = 0; i < after.size(); ++i) CHECK(after[i].name == before[i].name);
}

TEST_CASE("batch norm folding: layers without bias, in groups, and linear ones") {
  const Network network = make({4, 6, 6}, [](Var x) {
    Var h = relu(batch_norm_layer(conv_layer(x, "depthwise", {.out = 8, .padding = 1, .groups = 4}), "norm1"));
    h = batch_norm_layer(linear_layer(flatten(global_average_pool(h)), "linear", 5), "norm2", 1e-3);
    return linear_layer(h, "head", 3);
  });
  const Network folded = fold_batch_norms(network);
  CHECK(count(folded, "batch_norm") == 0);
  CHECK(difference(folded, network) <= 1e-5);
  CHECK(folded.parameters["depthwise.bias"].shape() == Shape{8});
  CHECK(folded.parameters.spec(folded.parameters.id("depthwise.bias")).role == Role::bias);
}

TEST_CASE("batch norm folding: norms that others depend on stay") {
  const Network network = make({3, 6, 6}, [](Var x) {
    const Var read_twice = conv_layer(x, "conv1", {.out = 4, .padding = 1});
    Var h = read_twice + batch_norm_layer(read_twice, "bn1");
    const Var shared = x.tape().parameter({.name = "shared.weight", .shape = {4, 4, 1, 1}});
    h = conv2d(batch_norm_layer(conv2d(h, shared), "bn2"), shared);
    h = batch_norm_layer(relu(h), "bn3");
    return linear_layer(flatten(global_average_pool(h)), "head", 3);
  });
  const Network same = fold_batch_norms(network);
  CHECK(count(same, "batch_norm") == 3);
  CHECK(same.tape.size() == network.tape.size());
  CHECK(difference(same, network) == 0);
}

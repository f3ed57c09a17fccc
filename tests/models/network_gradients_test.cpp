#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "engine/error.h"
#include "models/formats/safetensors.h"
#include "models/image_networks.h"
#include "models/initialization.h"
#include "models/resnet8.h"
#include "models/vit.h"
#include "tests/engine/gradcheck.h"

// Whole networks, forwards and backwards: against PyTorch, float against double, and against central differences.

using namespace safer;

namespace {

/// A network with the data that it runs on.
struct Case {
  Tape tape;
  ValueId logits = no_value;
  test::Data data = {};
  std::vector<double> seed = {};  // the gradient of the logits
};

template <class Record>
Case record(std::int64_t size, std::int64_t batch, const Record& network) {
  Case test;
  const Var x = test.tape.input("x", {3, size, size});
  test.logits = network(x).id();
  test.data.batch = batch;
  return test;
}

/// Random weights, running statistics, images and seed.
Case random_case(std::int64_t size, std::int64_t batch, const auto& network) {
  Case test = record(size, batch, network);
  Parameters parameters(test.tape.parameters());
  initialize(parameters, Initialization::he_normal, 1);
  Random random(3);
  for (int id = 0; id < parameters.size(); ++id)
    if (parameters.spec(id).role != Role::weight)
      for (float& value : parameters.mutable_values<float>(id)) value += static_cast<float>(0.1 * random.uniform());
  test.data.parameters = parameters.to(DType::f64);
  test.data.inputs[test.tape.find("x")] = test::random_values(static_cast<std::size_t>(batch * 3 * size * size), 5);
  test.seed = test::random_values(static_cast<std::size_t>(test.tape.node(test.logits).type.at(batch).size()), 6);
  return test;
}

double norm(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum);
}

/// |found - expected| / |expected|; for values that are 0 in theory, relative to `floor` instead.
double relative(std::span<const double> found, std::span<const double> expected, double floor) {
  REQUIRE(found.size() == expected.size());
  std::vector<double> off(found.size());
  for (std::size_t i = 0; i < off.size(); ++i) off[i] = found[i] - expected[i];
  return norm(off) / std::max(norm(expected), floor);
}

class Golden {
 public:
  explicit Golden(const char* name)
      : file_(read_safetensors(std::string(SAFER_SOURCE_DIR "/tests/models/golden/") + name + ".safetensors")) {}

  Tensor tensor(const std::string& name) const {
    for (const NamedTensor& each : file_.tensors)
      if (each.name == name) return each.value.to(DType::f64);
    throw Error("the golden file has no '{}'", name);
  }
  std::vector<double> values(const std::string& name) const {
    const Tensor found = tensor(name);
    return {found.values<double>().begin(), found.values<double>().end()};
  }

 private:
  Safetensors file_;
};

template <class T>
void check_golden(const Case& test, const Golden& golden, const std::string& mode, double tolerance) {
  const test::Outcome found = test::differentiate<T>(test.tape, test.logits, test.data, test.seed);
  CHECK(relative(found.output, golden.values(mode + "/logits"), 0) <= tolerance);
  const ParameterTable& table = *test.tape.parameters();
  std::map<int, std::vector<double>> expected;
  double largest = 0;
  for (int id = 0; id < table.size(); ++id) {
    if (table[id].role == Role::buffer) continue;
    expected[id] = golden.values(mode + "/gradient/" + table[id].name);
    largest = std::max(largest, norm(expected[id]));
  }
  // Behind a convolution's bias, a batch norm in training takes out what the bias adds: rounding is all that is left of its
  // gradient.
  for (const auto& gradient : expected) {
    INFO(mode, " ", table[gradient.first].name);
    CHECK(relative(found.gradients.at(test.tape.parameter_value(gradient.first)), gradient.second, 1e-3 * largest) <= tolerance);
  }
}

void check_golden(const char* name, Case test, std::initializer_list<std::pair<Mode, const char*>> modes) {
  const Golden golden(name);
  test.data.parameters = Parameters(test.tape.parameters(), DType::f64);
  for (int id = 0; id < test.data.parameters.size(); ++id)
    test.data.parameters.set(id, golden.tensor(test.data.parameters.spec(id).name));
  test.data.inputs[test.tape.find("x")] = golden.values("x");
  test.seed = golden.values("seed");
  for (const auto& mode : modes) {
    test.data.mode = mode.first;
    check_golden<double>(test, golden, mode.second, 1e-6);
    check_golden<float>(test, golden, mode.second, 1e-4);
  }
}

void check_float(const Case& test) {
  const test::Outcome expected = test::differentiate<double>(test.tape, test.logits, test.data, test.seed);
  const test::Outcome found = test::differentiate<float>(test.tape, test.logits, test.data, test.seed);
  CHECK(relative(found.output, expected.output, 0) <= 1e-4);
  for (const auto& gradient : expected.gradients) {
    INFO(test.tape.node(gradient.first).name);
    CHECK(relative(found.gradients.at(gradient.first), gradient.second, 0) <= 1e-3);
  }
}

}  // namespace

TEST_CASE("network gradients: a narrow ResNet-8 as in PyTorch, with running and with batch statistics") {
  check_golden("resnet8", record(16, 3, [](Var x) { return resnet8(x, {.width = 3, .classes = 5}); }),
               {{Mode::inference, "inference"}, {Mode::training, "training"}});
}

TEST_CASE("network gradients: a ViT of two blocks as in PyTorch") {
  check_golden("vit", record(8, 3, [](Var x) { return vit(x, {.patch = 4, .width = 12, .depth = 2, .heads = 3, .classes = 5}); }),
               {{Mode::inference, "inference"}});
}

TEST_CASE("network gradients: ResNet-8 in float and in double") {
  check_float(random_case(32, 2, [](Var x) { return resnet8(x); }));
}

TEST_CASE("network gradients: a small ViT in float and in double") {
  check_float(random_case(32, 2, [](Var x) { return vit(x, {.patch = 8, .width = 48, .depth = 3, .heads = 3, .classes = 10}); }));
}

TEST_CASE("network gradients: central differences through the whole of ResNet-8") {
  const Case test = random_case(16, 1, [](Var x) { return resnet8(x); });  // a quarter of the pixels is a quarter of the time
  const test::Outcome found = test::differentiate<double>(test.tape, test.logits, test.data, test.seed);
  test::Runner<double> runner(test.tape, {.outputs = {test.logits}}, test.data);
  const auto target = [&] {
    runner.replay();
    const std::vector<double> logits = runner.value(test.logits);
    double sum = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) sum += logits[i] * test.seed[i];
    return sum;
  };
  // Small, so that few activations pass through a kink of a ReLU.
  constexpr double step = 1e-6;
  for (const std::string name :
       {"stem.conv.weight", "stem.bn.weight", "stem.bn.running_var", "stack1.conv2.weight", "stack2.conv1.weight",
        "stack2.shortcut.weight", "stack2.bn1.bias", "stack3.conv1.bias", "stack3.conv2.weight", "fc.weight"}) {
    INFO(name);
    const int id = runner.parameters.id(name);
    const std::vector<double>& gradient = found.gradients.at(test.tape.parameter_value(id));
    const auto at =
        static_cast<std::size_t>(std::ranges::max_element(gradient, {}, [](double g) { return std::abs(g); }) - gradient.begin());
    const double middle = runner.parameters[id].values<double>()[at];
    runner.parameters.mutable_values<double>(id)[at] = middle + step;
    const double up = target();
    runner.parameters.mutable_values<double>(id)[at] = middle - step;
    const double down = target();
    runner.parameters.mutable_values<double>(id)[at] = middle;
    CHECK(gradient[at] == doctest::Approx((up - down) / (2 * step)).epsilon(1e-4));
  }
}

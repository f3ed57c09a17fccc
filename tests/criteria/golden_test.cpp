// All ten criteria against double precision PyTorch: golden/make_golden.py computes golden/phi.safetensors from what is in
// golden/inputs.safetensors.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "criteria/rank_layers.h"
#include "criteria/relevance/gig.h"
#include "criteria/relevance/guided_path.h"
#include "criteria/relevance/hsic.h"
#include "criteria/relevance/mask_sweep.h"
#include "criteria/relevance/noise_sweep.h"
#include "criteria/relevance/table.h"
#include "engine/ops/target.h"
#include "engine/tape/batch_gradient.h"
#include "engine/tape/workspace.h"
#include "models/data/data_spec.h"
#include "models/evaluation.h"
#include "models/formats/safetensors.h"
#include "models/moons.h"
#include "models/training.h"

namespace safer {
namespace {

constexpr int draws = 5, masks = 32;
constexpr std::int64_t golden_samples = 24;
constexpr double noise = 0.05;
constexpr std::uint64_t seed = 0;

const std::filesystem::path folder = std::filesystem::path(SAFER_SOURCE_DIR) / "tests/criteria/golden";

struct Golden {
  const char* name;
  MoonsOptions options;
};
const Golden goldens[] = {
    {"vanilla", {.family = MoonsFamily::vanilla, .depth = 3, .widths = {10}}},
    {"skip", {.family = MoonsFamily::skip, .depth = 2, .widths = {10}}},
    {"transformer", {.family = MoonsFamily::transformer, .depth = 1, .widths = {8}}},
};

using Tensors = std::map<std::string, Tensor>;

Tensors read(const char* file) {
  Tensors tensors;
  for (const NamedTensor& tensor : read_safetensors(folder / file).tensors) tensors[tensor.name] = tensor.value;
  return tensors;
}

/// The network with the weights of the file.
Network network_of(const Golden& golden, const Tensors& inputs) {
  Network network = make_moons_network(golden.options);
  for (int id = 0; id < network.parameters.size(); ++id)
    network.parameters.set(id, inputs.at(std::string(golden.name) + "/parameter/" + network.parameters.spec(id).name));
  return network;
}

/// The parameters that are ranked, by name.
std::map<std::string, int> weights_of(const Network& network) {
  std::map<std::string, int> weights;
  for (const Layer& layer : network.tape.layers()) weights[network.parameters.spec(layer.parameter).name] = layer.parameter;
  return weights;
}

Tensor mask_tensor(const Masks& design, std::size_t first, std::size_t neurons) {
  Tensor tensor(DType::u8, {static_cast<std::int64_t>(design.count), static_cast<std::int64_t>(neurons)});
  for (std::size_t k = 0; k < design.count; ++k)
    for (std::size_t d = 0; d < neurons; ++d) tensor.mutable_values<std::uint8_t>()[k * neurons + d] = design.keeps(k, first + d);
  return tensor;
}

void add_draws(const Golden& golden, const Network& network, std::vector<NamedTensor>& tensors) {
  const std::string prefix = std::string(golden.name) + "/";
  std::size_t neurons = 0;
  for (const Layer& layer : network.tape.layers()) neurons += static_cast<std::size_t>(layer.outputs.size());
  const Masks joint = balanced_masks(masks, neurons, kept_of_all, mask_key(seed, "joint"));
  std::size_t first = 0;
  for (const Layer& layer : network.tape.layers()) {
    const ParameterSpec& spec = network.parameters.spec(layer.parameter);
    const auto own = static_cast<std::size_t>(layer.outputs.size());
    const std::span<const float> weights = network.parameters[layer.parameter].values<float>();
    Tensor noisy(DType::f32, {draws, spec.shape[0], spec.shape[1]});
    for (int draw = 0; draw < draws; ++draw)
      add_noise(noisy.mutable_values<float>().subspan(static_cast<std::size_t>(draw) * weights.size(), weights.size()), weights,
                noise, spec.name, seed, draw);
    tensors.push_back({prefix + "noisy/" + spec.name, noisy});
    tensors.push_back(
        {prefix + "masks/" + spec.name, mask_tensor(balanced_masks(masks, own, kept_of_layer, mask_key(seed, spec.name)), 0, own)});
    tensors.push_back({prefix + "joint_masks/" + spec.name, mask_tensor(joint, first, own)});
    first += own;
  }
}

/// phi of all weights, in the order of their names.
std::vector<double> flat(const RankResult& result) {
  std::map<std::string, Tensor> by_name;
  for (const Relevance& relevance : result.relevance) by_name[relevance.name] = relevance.values;
  std::vector<double> all;
  for (const auto& [name, values] : by_name) all.insert(all.end(), values.values<float>().begin(), values.values<float>().end());
  return all;
}

double relative_distance(const std::vector<double>& a, const std::vector<double>& b) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < b.size(); ++i) difference += (a[i] - b[i]) * (a[i] - b[i]), norm += b[i] * b[i];
  return std::sqrt(difference / norm);
}

/// The gradient of the mean target by some weights, in double by the reference kernels, wherever they are moved to.
class DoubleGradient {
 public:
  DoubleGradient(const Network& network, const Tensor& inputs, Target target)
      : parameters_(network.parameters.to(DType::f64)), inputs_(inputs.to(DType::f64)), gradient_(*network.parameters.table()) {
    Tape tape = network.tape;
    const Tensor logits = predict(network, inputs);
    classes_ = predicted_classes<float>(logits.values<float>(), network.classes());
    const Var classes = tape.input("classes", Shape{}, DType::i64);
    const ValueId root = record_target(target, tape.var(network.logits), classes).id();
    PlanOptions options{.batch = inputs.shape()[0], .type = DType::f64, .root = root};
    for (const auto& [name, id] : weights_of(network)) options.gradients.push_back(tape.parameter_value(id));
    workspace_ = std::make_unique<Workspace<double>>(Plan(tape, options));
    workspace_->bind(network.input, inputs_.values<double>());
    workspace_->bind(classes.id(), classes_);
  }

  std::vector<double> own(std::span<const int> weights) const {
    std::vector<double> all;
    for (const int id : weights)
      all.insert(all.end(), parameters_[id].values<double>().begin(), parameters_[id].values<double>().end());
    return all;
  }
  std::vector<double> at(std::span<const int> weights, std::span<const double> values) {
    Parameters moved = parameters_;
    for (const int id : weights) {
      const std::span<double> to = moved.mutable_values<double>(id);
      std::ranges::copy(values.first(to.size()), to.begin());
      values = values.subspan(to.size());
    }
    workspace_->replay(moved);
    workspace_->reverse(gradient_);
    std::vector<double> all;
    for (const int id : weights)
      for (const double sum : gradient_.of(id)) all.push_back(sum / static_cast<double>(workspace_->batch()));
    return all;
  }

 private:
  Parameters parameters_;
  Tensor inputs_;
  std::vector<std::int64_t> classes_;
  BatchGradient<double> gradient_;
  std::unique_ptr<Workspace<double>> workspace_;
};

std::vector<double> guided(DoubleGradient& gradient, std::span<const int> weights) {
  const std::vector<double> from = gradient.own(weights), to(from.size());
  GuidedPath path(from, to, 50, guided_fraction, guided_distance);
  while (!path.done()) path.advance(gradient.at(weights, path.position()));
  std::vector<double> phi(path.attribution().begin(), path.attribution().end());
  for (double& value : phi) value = -value;
  return phi;
}

}  // namespace

TEST_CASE("write the inputs of the goldens" * doctest::skip()) {
  std::vector<NamedTensor> tensors;
  for (const Golden& golden : goldens) {
    Network network = make_moons_network(golden.options);
    train(network, load_data("moons", Split::training), {.epochs = 6});
    for (int id = 0; id < network.parameters.size(); ++id)
      tensors.push_back({std::string(golden.name) + "/parameter/" + network.parameters.spec(id).name, network.parameters[id]});
    tensors.push_back({std::string(golden.name) + "/inputs", load_data("moons", Split::calibration, {golden_samples, 0}).inputs});
    add_draws(golden, network, tensors);
  }
  write_safetensors(folder / "inputs.safetensors", tensors);
}

TEST_CASE("the paper's ten criteria agree with PyTorch in double precision, in both presets, a layer at a time and jointly") {
  const Tensors inputs = read("inputs.safetensors"), expected = read("phi.safetensors");
  for (const Golden& golden : goldens) {
    const Network network = network_of(golden, inputs);
    for (const Preset& preset : presets())
      for (const char* path : {"layer", "joint"})
        for (const Criterion* criterion : criteria().first(10)) {
          const RankResult result = rank_layers(network, inputs.at(std::string(golden.name) + "/inputs"),
                                                {.preset = std::string(preset.name),
                                                 .criteria = {std::string(criterion->name)},
                                                 .seed = seed,
                                                 .path = path,
                                                 .draws = draws,
                                                 .noise = noise,
                                                 .masks = masks,
                                                 .keep_relevance = true,
                                                 .resamples = 0});
          std::string key = std::string(golden.name) + "/" + std::string(preset.name) + "/" + std::string(criterion->name);
          if (!result.reports[0].path.empty()) key += std::string(" ") + path;
          CAPTURE(key);
          const Tensor golden_phi = expected.at(key).to(DType::f64);
          const std::span<const double> phi = golden_phi.values<double>();
          const std::vector<double> got = flat(result);
          REQUIRE(got.size() == phi.size());
          CHECK(relative_distance(got, {phi.begin(), phi.end()}) < 1e-3);
        }
  }
}

TEST_CASE("guided IG's path, walked in double, is that of the reference") {
  const Tensors inputs = read("inputs.safetensors"), expected = read("phi.safetensors");
  for (const Golden& golden : goldens) {
    const Network network = network_of(golden, inputs);
    for (const Preset& preset : presets()) {
      DoubleGradient gradient(network, inputs.at(std::string(golden.name) + "/inputs"), find_target(preset.target));
      std::vector<int> all;
      std::vector<double> one_each;
      for (const auto& [name, id] : weights_of(network)) {
        all.push_back(id);
        const std::vector<double> phi = guided(gradient, std::vector<int>{id});
        one_each.insert(one_each.end(), phi.begin(), phi.end());
      }
      const auto of = [&](const char* path) {
        const Tensor& phi = expected.at(std::string(golden.name) + "/" + std::string(preset.name) + "/gig " + path);
        return std::vector<double>(phi.values<double>().begin(), phi.values<double>().end());
      };
      CAPTURE(std::string(golden.name));
      CHECK(relative_distance(one_each, of("layer")) < 1e-9);
      CHECK(relative_distance(guided(gradient, all), of("joint")) < 1e-9);
    }
  }
}

}  // namespace safer

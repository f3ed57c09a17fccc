#include "models/model_spec.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/random.h"
#include "models/data/moons.h"
#include "models/evaluation.h"
#include "models/formats/safetensors.h"
#include "tests/temporary_folder.h"

using namespace safer;

namespace {

bool same(const Parameters& a, const Parameters& b) {
  for (int id = 0; id < a.size(); ++id)
    if (!std::ranges::equal(a[id].values<float>(), b[id].values<float>())) return false;
  return a.size() == b.size();
}

constexpr const char* all_names =
    "moons-vanilla, moons-skip, moons-skip-sd, moons-transformer, resnet8, resnet20, resnet32, resnet44, resnet56, resnet18, "
    "resnet34, resnet50, squeezenet1_1, mobilenet_v1_075, mobilenet_v2, vit_tiny, vit_b_16";

/// Images [n, 3, 32, 32] of random pixels.
Tensor make_images(std::int64_t n) {
  Tensor images(DType::f32, {n, 3, 32, 32});
  Random random(4);
  for (float& pixel : images.mutable_values<float>()) pixel = static_cast<float>(random.below(256));
  return images;
}

}  // namespace

TEST_CASE("model spec: every name has a network") {
  CHECK(std::ranges::find(model_names(), default_model) != model_names().end());
  for (const char* name :
       {"moons-vanilla", "moons-transformer", "resnet8", "resnet20", "resnet32", "resnet44", "resnet56", "resnet18", "resnet34",
        "resnet50", "squeezenet1_1", "mobilenet_v1_075", "mobilenet_v2", "vit_tiny", "vit_b_16"})
    CHECK(std::ranges::count(model_names(), std::string_view(name)) == 1);
  for (const char* name : {"moons-skip", "moons-skip-sd", "resnet8", "mobilenet_v2"}) {
    const Network network = untrained_model(name);
    CHECK(network.name == name);
    CHECK(network.parameters.size() == network.tape.parameters()->size());
    CHECK(record_model(name).tape.size() == network.tape.size());
    CHECK(record_model(name).parameters.size() == 0);
  }
}

TEST_CASE("model spec: initial weights of networks of images follow their seed and let signals through") {
  const Network one = untrained_model("resnet8"), other = untrained_model("resnet8:seed=2");
  CHECK(same(one.parameters, untrained_model("resnet8:seed=1").parameters));
  CHECK_FALSE(same(one.parameters, other.parameters));
  const Tensor logits = predict(one, make_images(2));
  for (const float value : logits.values<float>()) CHECK(std::isfinite(value));
  CHECK(logits.values<float>()[0] != logits.values<float>()[10]);
}

TEST_CASE("model spec: every mistake has its answer") {
  const auto refuse = [](const char* model, const std::string& message) {
    CHECK_THROWS_WITH_AS(untrained_model(model), message.c_str(), Error);
  };
  refuse("", fmt::format("unknown model ''; choose a file ending in .onnx or one of: {}", all_names));
  refuse("moons", fmt::format("unknown model 'moons'; choose a file ending in .onnx or one of: {}", all_names));
  refuse("resnet9:depth=2", fmt::format("unknown model 'resnet9'; choose a file ending in .onnx or one of: {}", all_names));
  refuse("net.onnx", "net.onnx: an ONNX file brings its weights; only built-in networks start without");
  refuse("resnet8:depth=2", "model 'resnet8:depth=2': unknown option 'depth'; choose one of: seed");
  refuse("moons-vanilla:depth=0", "moons-vanilla: depth 0; expected 1 to 100");
}

TEST_CASE("model spec: without weights a network trains itself") {
  std::int64_t steps = 0, last = 0;
  const Network network = load_model("moons-vanilla:depth=2,width=16", std::nullopt, [&](const TrainProgress& p) {
    ++steps;
    last = p.steps;
  });
  CHECK(steps == 6 * 63);
  CHECK(last == steps);
  CHECK(evaluate(network, make_moons(1000, 0.1, 0, Split::test)).accuracy >= 0.99);
  CHECK(same(load_model("moons-vanilla:depth=2,width=16").parameters, network.parameters));
}

TEST_CASE("model spec: a file of weights says which network it is for") {
  const TemporaryFolder folder;
  const auto file = folder / "w.safetensors";
  for (const char* model : {"moons-vanilla:depth=3,width=8-12-4,seed=9", "moons-skip:depth=2,width=5,layers=2",
                            "moons-skip-sd:depth=1,width=6", "moons-transformer:depth=2,width=8"}) {
    const Network saved = untrained_model(model);
    save_model(saved, file);
    const Network loaded = load_model(saved.name, file);
    INFO(model);
    CHECK(same(loaded.parameters, saved.parameters));
    CHECK(loaded.metadata == saved.metadata);
    CHECK(loaded.tape.size() == saved.tape.size());
    CHECK(same(load_model(model, file).parameters, saved.parameters));
  }
}

TEST_CASE("model spec: weights and MODEL must agree") {
  const TemporaryFolder folder;
  const auto file = folder / "w.safetensors";
  const Network saved = untrained_model("moons-skip:depth=2,width=8");
  save_model(saved, file);
  const auto refuse = [&](const char* model, const std::string& message) {
    CHECK_THROWS_WITH_AS(load_model(model, file), fmt::format("{}: {}", file.string(), message).c_str(), Error);
  };
  const std::string whose = "these are weights of 'moons-skip:depth=2,width=8,layers=1,init=he,seed=1', which differs from ";
  refuse("moons-vanilla", whose + "'moons-vanilla' in its name");
  refuse("moons-skip:depth=3", whose + "'moons-skip:depth=3' in depth");
  refuse("moons-skip:width=9", whose + "'moons-skip:width=9' in width");
  refuse("moons-skip:layers=2", whose + "'moons-skip:layers=2' in layers");
  CHECK_NOTHROW(load_model("moons-skip:width=8,seed=77", file));

  // Without metadata the argument alone counts.
  save_parameters(file, saved.parameters);
  CHECK(same(load_model("moons-skip:depth=2,width=8", file).parameters, saved.parameters));
  refuse("moons-skip:depth=2",
         "186 numbers, 'moons-skip:depth=2,width=32,layers=1,init=he,seed=1' has 2274 parameters; give the network's own depth and "
         "width");
  CHECK_THROWS_WITH_AS(load_model("moons-skip:depth=2,width=4", file), doctest::Contains("do not fit the network's 8 parameters"),
                       Error);
  CHECK_THROWS_AS(load_model("moons-skip", folder / "missing.safetensors"), Error);

  // What the metadata say is checked like an argument, and costs no memory that the file is not worth.
  save_parameters(file, saved.parameters, {{"model", "moons-skip:depth=100,width=1024"}});
  refuse("moons-skip",
         "186 numbers, 'moons-skip:depth=100,width=1024,layers=1,init=he,seed=1' has 104965122 parameters; give the "
         "network's own depth and width");
  save_parameters(file, saved.parameters, {{"model", "moons-skip:depth=many"}});
  refuse("moons-skip", "metadata 'model': model 'moons-skip:depth=many': depth is 'many', expected a number of layers");
}

TEST_CASE("model spec: a network of images needs weights that others trained, and keeps its own") {
  CHECK_THROWS_WITH_AS(
      load_model("resnet20"),
      "resnet20: only moons networks train themselves; give --weights FILE.safetensors with the parameter names of "
      "akamaster/pytorch_resnet_cifar10",
      Error);
  CHECK_THROWS_WITH_AS(load_model("mobilenet_v2"), doctest::Contains("of TensorFlow, batch norms folded, or of torchvision"),
                       Error);
  const TemporaryFolder folder;
  const auto file = folder / "w.safetensors";
  const Network saved = untrained_model("resnet8:seed=7");
  save_model(saved, file);
  const Network loaded = load_model("resnet8", file);
  CHECK(same(loaded.parameters, saved.parameters));
  CHECK(loaded.metadata == saved.metadata);
  CHECK_THROWS_WITH_AS(
      load_model("resnet20", file),
      fmt::format("{}: these are weights of 'resnet8', which differs from 'resnet20' in its name", file.string()).c_str(), Error);
  CHECK_THROWS_AS(load_model("moons-vanilla", file), Error);
  CHECK_THROWS_AS(load_model("resnet8:width=3", file), Error);
}

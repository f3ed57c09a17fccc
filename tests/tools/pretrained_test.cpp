#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

#include "models/data/cifar10.h"
#include "models/formats/npy.h"
#include "models/model_spec.h"
#include "tests/shared_data.h"
#include "tests/temporary_folder.h"
#include "tests/tools/run_safer.h"

// The commands on networks that others trained.

using nlohmann::json;

namespace {
#ifdef SAFER_SANITIZED
constexpr const char* some_criteria = "weight-x-gradient,gig,hsic";  // three kinds of sweeps
#else
constexpr const char* some_criteria = "all";
#endif
}  // namespace

TEST_CASE("info: networks of images, with random weights") {
  const Outcome outcome = run_safer({"info", "resnet8", "--json"});
  CAPTURE(outcome.log);
  REQUIRE(outcome.status == 0);
  const json document = json::parse(outcome.out);
  CHECK(document.at("input") == json({1, 3, 32, 32}));
  CHECK(document.at("classes") == 10);
  CHECK(document.at("parameters") == 78186);
  CHECK(document.at("running_statistics") == 2 * 16 * 3 + 2 * 32 * 2 + 2 * 64 * 2);
  CHECK(document.at("ranked_parameters") == 77360);  // 16x(27+2x144)+32x(144+288+16)+64x(288+576+32)+640
  std::set<std::string> roles;
  for (const json& layer : document.at("layers")) {
    roles.insert(layer.at("role"));
    if (layer.at("name") != "stack2.shortcut.weight") continue;
    CHECK(layer.at("op") == "conv2d");
    CHECK(layer.at("multiply_adds") == 16 * 32 * 16 * 16);
  }
  CHECK(roles == std::set<std::string>{"weight", "bias", "norm", "buffer"});
  CHECK(contains(run_safer({"info", "vit_tiny"}).out, "blocks.11.attn.v.weight"));
}

TEST_CASE("rank: batch norms stay as they are, or are folded on demand") {
  const TemporaryFolder folder;
  const std::string weights = (folder / "w.safetensors").string(), inputs = (folder / "x.npy").string();
  safer::save_model(safer::untrained_model("resnet8"), weights);
  safer::write_npy(inputs, safer::Tensor(safer::DType::f32, {1, 3, 32, 32}));
  const std::vector<std::string> words = {"rank",          "resnet8",     "--weights", weights,     "--data",
                                          "npy:" + inputs, "--criterion", "weight",    "--samples", "1"};
  const Outcome found = run_safer(words);
  std::vector<std::string> more = words;
  more.push_back("--fold-bn");
  const Outcome folded = run_safer(more);
  CAPTURE(folded.log);
  REQUIRE(folded.status == 0);
  CHECK(folded.log.empty());
  CHECK(contains(folded.out, "model resnet8, batch norms folded"));
  CHECK_FALSE(contains(found.out, "folded"));
  CHECK(contains(folded.out, "stack2.shortcut.weight"));
}

TEST_CASE("run, evaluate, rank: networks of images need weights") {
  const TemporaryFolder folder;
  for (const char* command : {"run", "evaluate", "rank"}) {
    std::vector<std::string> words = {command, "resnet8", "--data", "cifar10:" + folder.path().string()};
    if (words.front() == "run") words.insert(words.end(), {"--out", (folder / "y.npy").string()});
    const Outcome outcome = run_safer(words);
    CHECK(outcome.status == 1);
    CHECK(contains(outcome.log, "--weights"));
    CHECK(contains(outcome.log, "mlcommons/tiny"));
  }
}

TEST_CASE("run, rank: a pretrained network on CIFAR-10") {
  const auto models = safer::test::shared_data("models");
  const auto images = safer::test::cifar10_folder("data_batch_1.bin");
  if (!models || !images) {
    MESSAGE("skipped: SAFER_DATA has no models, or neither it nor SAFER_CACHE cifar10/data_batch_1.bin");
    return;
  }
  // One batch stands for all six, to spare restoring the others.
  const TemporaryFolder folder;
  for (const char* name : {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"})
    std::filesystem::create_symlink(std::filesystem::absolute(*images / "data_batch_1.bin"), folder / (std::string(name) + ".bin"));
  const std::string weights = (*models / "cifar10_resnet20.safetensors").string(), data = "cifar10:" + folder.path().string();
  const Outcome ranked = run_safer({"rank", "resnet20", "--weights", weights, "--data", data, "--samples", "4", "--criterion",
                                    some_criteria, "--steps", "4", "--draws", "2", "--masks", "4", "--json"});
  CAPTURE(ranked.log);
  REQUIRE(ranked.status == 0);
  for (const json& report : json::parse(ranked.out)) {
    CHECK(report.at("layers").size() == 20);
    for (const json& layer : report.at("layers")) {
      CHECK(layer.at("op") == (layer.at("name") == "linear.weight" ? "linear" : "conv2d"));
      CHECK(layer.at("score").get<double>() > 0);
    }
  }

  // Files of numbers are what the network reads, while CIFAR-10 is scaled for it.
  const safer::Dataset some = safer::load_cifar10(folder.path(), false, {.samples = 20}, safer::imagenet_pixels);
  const std::string inputs = (folder / "x.npy").string(), outputs = (folder / "y.npy").string();
  safer::write_npy(inputs, some.inputs);
  const Outcome ran = run_safer({"run", "resnet20", "--weights", weights, "--data", "npy:" + inputs, "--out", outputs});
  CAPTURE(ran.log);
  REQUIRE(ran.status == 0);
  const safer::Tensor logits = safer::read_npy(outputs);
  int right = 0;
  for (std::size_t i = 0; i < some.labels.size(); ++i) {
    const auto z = logits.values<float>().subspan(10 * i, 10);
    right += std::max_element(z.begin(), z.end()) - z.begin() == some.labels[i];
  }
  CHECK(right >= 19);  // it knows 99.85 % of the training images
}

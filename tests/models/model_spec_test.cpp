#include "models/model_spec.h"

#include <doctest/doctest.h>

#include "engine/error.h"
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

constexpr const char* all_names = "moons-vanilla, moons-skip, moons-skip-sd, moons-transformer";

}  // namespace

TEST_CASE("model spec: a name and its options") {
  CHECK(parse_model("moons-vanilla") == MoonsOptions{});
  CHECK(parse_model("moons-vanilla:") == MoonsOptions{});
  CHECK(parse_model("moons-vanilla:depth=3,width=8-4-2,seed=18446744073709551615,init=glorot") ==
        MoonsOptions{
            .depth = 3, .widths = {8, 4, 2}, .initialization = Initialization::glorot_uniform, .seed = 18446744073709551615u});
  CHECK(parse_model("moons-skip-sd:layers=2,width=24") ==
        MoonsOptions{.family = MoonsFamily::skip_sd, .widths = {24}, .block_layers = 2});
  for (const std::string_view name : model_names()) {
    CHECK(untrained_model(name).name == name);
    CHECK(untrained_model(model_text(parse_model(name))).name == name);
  }
  for (const char* text :
       {"moons-vanilla:depth=3,width=8-4-2,init=glorot,seed=7", "moons-skip:depth=2,width=24,layers=2,init=he,seed=1"})
    CHECK(model_text(parse_model(text)) == text);
}

TEST_CASE("model spec: every mistake has its answer") {
  const auto refuse = [](const char* model, const std::string& message) {
    CHECK_THROWS_WITH_AS(untrained_model(model), message.c_str(), Error);
  };
  refuse("", fmt::format("unknown model ''; choose one of: {}", all_names));
  refuse("moons", fmt::format("unknown model 'moons'; choose one of: {}", all_names));
  refuse("resnet8:depth=2", fmt::format("unknown model 'resnet8'; choose one of: {}", all_names));
  refuse("net.onnx", fmt::format("model 'net.onnx': this version does not read ONNX files; choose one of: {}", all_names));
  refuse("moons-vanilla:dept=3", "model 'moons-vanilla:dept=3': unknown option 'dept'; choose one of: depth, width, init, seed");
  refuse("moons-vanilla:layers=2",
         "model 'moons-vanilla:layers=2': unknown option 'layers'; choose one of: depth, width, init, seed");
  refuse("moons-skip:x=2", "model 'moons-skip:x=2': unknown option 'x'; choose one of: depth, width, init, seed, layers");
  refuse("moons-skip:depth=2,depth=3", "model 'moons-skip:depth=2,depth=3': depth is given twice");
  refuse("moons-vanilla:depth=two", "model 'moons-vanilla:depth=two': depth is 'two', expected a number of layers");
  refuse("moons-vanilla:depth", "model 'moons-vanilla:depth': depth is '', expected a number of layers");
  refuse("moons-vanilla:seed=-1", "model 'moons-vanilla:seed=-1': seed is '-1', expected a number from 0 to 2^64-1");
  refuse("moons-vanilla:init=zero", "model 'moons-vanilla:init=zero': init is 'zero', expected he or glorot");
  for (const char* width : {"8-", "-8", "8--8", "", "8.5"})
    refuse(fmt::format("moons-vanilla:width={}", width).c_str(),
           fmt::format("model 'moons-vanilla:width={0}': width is '{1}', expected a number, or one a layer with '-' between them",
                       width, std::string_view(width) == "-8" || std::string_view(width) == "8--8" ? "" : width));
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

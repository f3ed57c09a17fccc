#include "models/moons_spec.h"

#include <doctest/doctest.h>

#include "engine/error.h"

using namespace safer;

TEST_CASE("moons spec: a name and its options") {
  CHECK(parse_moons("moons-vanilla") == MoonsOptions{});
  CHECK(parse_moons("moons-vanilla:") == MoonsOptions{});
  CHECK(parse_moons("moons-vanilla:depth=3,width=8-4-2,seed=18446744073709551615,init=glorot") ==
        MoonsOptions{
            .depth = 3, .widths = {8, 4, 2}, .initialization = Initialization::glorot_uniform, .seed = 18446744073709551615u});
  CHECK(parse_moons("moons-skip-sd:layers=2,width=24") ==
        MoonsOptions{.family = MoonsFamily::skip_sd, .widths = {24}, .block_layers = 2});
  for (const char* text :
       {"moons-vanilla:depth=3,width=8-4-2,init=glorot,seed=7", "moons-skip:depth=2,width=24,layers=2,init=he,seed=1"})
    CHECK(moons_text(parse_moons(text)) == text);
  for (const std::string_view name : moons_names) {
    const Network network = untrained_moons(parse_moons(name));
    CHECK(network.name == name);
    CHECK(untrained_moons(parse_moons(network.metadata.at("model"))).metadata == network.metadata);
  }
}

TEST_CASE("moons spec: every mistake has its answer") {
  const auto refuse = [](const char* model, const std::string& message) {
    CHECK_THROWS_WITH_AS(untrained_moons(parse_moons(model)), message.c_str(), Error);
  };
  refuse("moons", "unknown network of moons 'moons'; choose one of: moons-vanilla, moons-skip, moons-skip-sd, moons-transformer");
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

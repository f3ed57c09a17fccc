#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "engine/kernels/dispatch.h"
#include "tests/tools/run_safer.h"

using nlohmann::json;

TEST_CASE("info: sizes of a network, counted by hand") {
  const Outcome outcome = run_safer({"info", "moons-vanilla:depth=2,width=8", "--json", "--batch", "3"});
  CAPTURE(outcome.log);
  REQUIRE(outcome.status == 0);
  const json document = json::parse(outcome.out);
  CHECK(document.at("model") == "moons-vanilla");
  CHECK(document.at("input") == json({1, 2}));
  CHECK(document.at("classes") == 2);
  CHECK(document.at("parameters") == 2 * 8 + 8 + 8 * 8 + 8 + 8 * 2 + 2);
  CHECK(document.at("ranked_parameters") == 2 * 8 + 8 * 8 + 8 * 2);
  CHECK(document.at("multiply_adds").get<int>() >= 2 * 8 + 8 * 8 + 8 * 2);
  CHECK(document.at("memory").at("batch") == 3);
  CHECK(document.at("memory").at("bytes").get<int>() >= 3 * 8 * 4);
  REQUIRE(document.at("layers").size() == 6);
  const json first = document.at("layers")[0], bias = document.at("layers")[1];
  CHECK(first.at("name") == "layers.0.weight");
  CHECK(first.at("op") == "linear");
  CHECK(first.at("role") == "weight");
  CHECK(first.at("shape") == json({8, 2}));
  CHECK(first.at("parameters") == 16);
  CHECK(first.at("multiply_adds") == 16);
  CHECK(first.at("ranked") == true);
  CHECK(bias.at("name") == "layers.0.bias");
  CHECK(bias.at("ranked") == false);
}

TEST_CASE("info: the instruction sets of this build and the one in use") {
  const json kernels = json::parse(run_safer({"info", "--json"}).out).at("kernels");
  CHECK(kernels.at("active") == std::string(safer::kernels::active().name));
  CHECK(kernels.at("built").size() == safer::kernels::isas().size());
  const std::string text = run_safer({"info"}).out;
  for (const auto& isa : safer::kernels::isas()) CHECK(contains(text, std::string(isa.table->name)));
}

TEST_CASE("info: for people and as comma-separated values") {
  const Outcome text = run_safer({"info", "moons-transformer"});
  CHECK(text.status == 0);
  CHECK(text.log.empty());
  for (const char* part : {"blocks.0.attention.q.weight", "norm", "embedding", "parameters", "multiply-adds", "memory", "kernels"})
    CHECK(contains(text.out, part));
  const Outcome csv = run_safer({"info", "--csv"});
  CHECK(csv.out.starts_with("name,op,role,shape,parameters,multiply-adds,ranked\n"));
  CHECK(std::count(csv.out.begin(), csv.out.end(), '\n') == 11);
}

TEST_CASE("info: option values are checked") {
  CHECK(run_safer({"info", "--batch", "0"}).status == 2);
  CHECK(run_safer({"info", "--data", "moons"}).status == 2);
}

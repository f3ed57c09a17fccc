// What each criterion costs on one moons network, in both presets, and all of them together; without intervals.
//
//   criteria_bench [key=value,...]    family=vanilla depth=5 width=64 samples=256 repeats=5

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "criteria/rank_layers.h"
#include "criteria/relevance/table.h"
#include "engine/kernels/dispatch.h"
#include "engine/parallel.h"
#include "models/data/moons.h"
#include "models/moons.h"
#include "models/spec.h"
#include "models/training.h"

using namespace safer;

namespace {

struct Options {
  MoonsOptions network = {.depth = 5, .widths = {64}};
  std::int64_t samples = 256;
  int repeats = 5;
};

Options parse(std::string_view text) {
  constexpr std::array<std::string_view, 5> keys = {"family", "depth", "width", "samples", "repeats"};
  const SpecOptions given("criteria_bench", text, keys);
  Options options;
  const auto set = [&](std::string_view key, auto& value) {
    value = given.number<std::remove_reference_t<decltype(value)>>(key, "a number").value_or(value);
    if (value < 1) given.fail(key, std::to_string(value), "at least 1");
  };
  set("depth", options.network.depth);
  set("width", options.network.widths.front());
  set("samples", options.samples);
  set("repeats", options.repeats);
  if (const auto family = given.text("family")) {
    const auto found = std::ranges::find(moons_names, "moons-" + std::string(*family));
    if (found == moons_names.end()) given.fail("family", *family, "vanilla, skip, skip-sd or transformer");
    options.network.family = static_cast<MoonsFamily>(found - moons_names.begin());
  }
  return options;
}

/// The median over repeats, of processor time: what else the machine does counts little.
double milliseconds(const Network& network, const Tensor& inputs, const RankOptions& how, int repeats) {
  std::vector<double> times;
  for (int i = 0; i < repeats; ++i) {
    const std::clock_t start = std::clock();
    rank_layers(network, inputs, how);
    times.push_back(1e3 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  std::ranges::sort(times);
  return times[times.size() / 2];
}

void run(const Options& options) {
  set_threads(1);
  Network network = make_moons_network(options.network);
  train(network, make_moons(2000, 0.1, 0), {});
  const Tensor inputs = make_moons(options.samples, 0.1, 0, Split::calibration).inputs;
  std::printf("%s, depth %lld, width %lld, %lld samples, kernels %s, 1 thread; ms of processor time\n", network.name.c_str(),
              static_cast<long long>(options.network.depth), static_cast<long long>(options.network.widths.front()),
              static_cast<long long>(options.samples), std::string(kernels::active().name).c_str());
  std::printf("%-20s %10s %12s\n", "criterion", "paper", "recommended");
  std::vector<std::string> names;
  for (const Criterion* criterion : criteria()) names.emplace_back(criterion->name);
  names.emplace_back("all");
  for (const std::string& name : names) {
    std::printf("%-20s", name.c_str());
    for (const char* preset : {"paper", "recommended"}) {
      const RankOptions how{.preset = preset, .criteria = {name}, .reductions = {"linf"}, .resamples = 0};
      std::printf(" %*.1f", *preset == 'p' ? 10 : 12, milliseconds(network, inputs, how, options.repeats));
    }
    std::printf("\n");
  }
}

}  // namespace

int main(int argc, char** argv) try {
  run(parse(argc > 1 ? argv[1] : ""));
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "criteria_bench: %s\n", error.what());
  return 1;
}

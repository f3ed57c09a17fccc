#include "models/training.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "engine/error.h"
#include "engine/parallel.h"
#include "models/data/moons.h"
#include "models/evaluation.h"
#include "models/moons.h"
#include "tests/allocation_counter.h"

using namespace safer;

namespace {

struct Threads {
  explicit Threads(int threads) : before(available_threads()) { set_threads(threads); }
  ~Threads() { set_threads(before); }
  int before;
};

bool same(const Parameters& a, const Parameters& b) {
  for (int id = 0; id < a.size(); ++id)
    if (!std::ranges::equal(a[id].values<float>(), b[id].values<float>())) return false;
  return true;
}

}  // namespace

TEST_CASE("training: every family learns the moons in 6 epochs") {
  const Threads scope(1);  // the loops are too short to gain from more
  const Dataset data = make_moons(2000, 0.1, 0, Split::training), test = make_moons(1000, 0.1, 0, Split::test);
  for (std::size_t family = 0; family < moons_names.size(); ++family)
    for (const std::uint64_t seed : {1u, 2u, 3u}) {
      const auto kind = static_cast<MoonsFamily>(family);
      Network network = make_moons_network({.family = kind, .depth = 3, .seed = seed});
      const double before = evaluate(network, data).cross_entropy;
      const std::vector<double> losses = train(network, data, {.seed = seed});
      INFO(network.name, " seed ", seed);
      REQUIRE(losses.size() == 6);
      CHECK(losses.front() < before);
      CHECK(losses.back() < 0.5 * losses.front());
      CHECK(evaluate(network, test).accuracy >= (kind == MoonsFamily::transformer ? 0.97 : 0.99));
    }
}

TEST_CASE("training: the same bits for any number of threads, other bits for another seed") {
  const Dataset data = make_moons(600, 0.1, 1);
  for (const MoonsFamily family : {MoonsFamily::vanilla, MoonsFamily::skip_sd, MoonsFamily::transformer}) {
    const auto trained = [&](int threads, std::uint64_t seed) {
      const Threads scope(threads);
      // Layers and batches so large that their loops run in parallel; 600 = 2 * 256 + 88.
      Network network = make_moons_network({.family = family, .depth = 2, .widths = {64}});
      train(network, data, {.epochs = 2, .batch = 256, .seed = seed});
      return network.parameters;
    };
    const Parameters alone = trained(1, 5);
    INFO(moons_names[static_cast<std::size_t>(family)]);
    CHECK(same(trained(2, 5), alone));
    CHECK(same(trained(4, 5), alone));
    CHECK_FALSE(same(trained(1, 6), alone));
  }
}

TEST_CASE("training: the last batch of an epoch has what remains") {
  Network network = make_moons_network({.depth = 1, .widths = {8}});
  const Dataset data = make_moons(50, 0.1, 1);
  std::vector<TrainProgress> seen;
  const std::vector<double> losses =
      train(network, data, {.epochs = 3, .batch = 32, .progress = [&](const TrainProgress& p) { seen.push_back(p); }});
  REQUIRE(seen.size() == 6);
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(seen[i].step == static_cast<std::int64_t>(i) + 1);
    CHECK(seen[i].steps == 6);
    CHECK(seen[i].epoch == static_cast<int>(i) / 2);
    CHECK(seen[i].epochs == 3);
  }
  for (std::size_t epoch = 0; epoch < 3; ++epoch)
    CHECK(losses[epoch] == doctest::Approx((32 * seen[2 * epoch].loss + 18 * seen[2 * epoch + 1].loss) / 50));
}

TEST_CASE("training: the first step goes down the mean loss of all samples, and the last one is short") {
  const Dataset data = make_moons(40, 0.1, 2);
  const Network start = make_moons_network({.depth = 1, .widths = {6}});
  const auto step = [&](double cooldown, int epochs) {
    Network network = start;
    train(network, data, {.epochs = epochs, .batch = 1000, .learning_rate = 1e-3, .cooldown = cooldown});
    return network.parameters;
  };
  const Parameters moved = step(0, 1);
  const int id = start.parameters.id("layers.0.weight");
  for (std::size_t i = 0; i < 12; ++i) {
    // Central differences of the mean cross-entropy; Adam's first step is the learning rate against the gradient's sign.
    const auto loss = [&](double h) {
      Network network = start;
      network.parameters.mutable_values<float>(id)[i] += static_cast<float>(h);
      return evaluate(network, data).cross_entropy;
    };
    const double gradient = (loss(1e-2) - loss(-1e-2)) / 2e-2;
    const double change = double{moved[id].values<float>()[i]} - start.parameters[id].values<float>()[i];
    if (std::abs(gradient) > 1e-3) CHECK(change == doctest::Approx(gradient > 0 ? -1e-3 : 1e-3).epsilon(1e-3));
  }
  // With the whole training as cooldown the rate falls from the full one by equal amounts; the step after the last would be 0.
  const Parameters first = step(1, 1);
  CHECK(same(first, moved));
  const Parameters held = step(0, 2), falling = step(1, 2);
  for (std::size_t i = 0; i < 12; ++i) {
    const double full = double{held[id].values<float>()[i]} - moved[id].values<float>()[i];
    const double half = double{falling[id].values<float>()[i]} - moved[id].values<float>()[i];
    CHECK(half == doctest::Approx(full / 2).epsilon(1e-3));
  }
}

TEST_CASE("training: steps after the first allocate nothing") {
  if (!AllocationCounter::works) return;
  const Dataset data = make_moons(200, 0.1, 1);
  for (std::size_t family = 0; family < moons_names.size(); ++family) {
    const auto allocations = [&](int epochs) {
      Network network = make_moons_network({.family = static_cast<MoonsFamily>(family), .depth = 2});
      const AllocationCounter counter;
      train(network, data, {.epochs = epochs});
      return counter.allocations();
    };
    INFO(moons_names[family]);
    CHECK(allocations(6) == allocations(1));
  }
}

TEST_CASE("training: what makes no sense is refused, and a gradient that is no number stops it") {
  const Dataset data = make_moons(40, 0.1, 1);
  Network network = make_moons_network({.depth = 1});
  const auto refuse = [&](const Dataset& on, const TrainOptions& options, const char* message) {
    CHECK_THROWS_WITH_AS(train(network, on, options), message, Error);
  };
  refuse(data, {.epochs = -1}, "train: -1 epochs; expected 0 or more");
  refuse(data, {.batch = 0}, "train: batch of 0; expected at least 1");
  refuse(data, {.learning_rate = 0}, "train: learning rate 0; expected a positive number");
  refuse(data, {.cooldown = 1.5}, "train: cooldown 1.5; expected 0 to 1");
  Dataset unlabelled = data;
  unlabelled.name = "points";
  unlabelled.labels.clear();
  refuse(unlabelled, {}, "train: 'points' has 0 labels for 40 samples; labelled data is needed");
  Dataset wide = data;
  wide.inputs = Tensor(DType::f32, {40, 3});
  refuse(wide, {}, "train: inputs have shape [40, 3], moons-vanilla expects [N, 2]");

  Dataset broken = data;
  broken.inputs.mutable_values<float>()[17] = std::numeric_limits<float>::quiet_NaN();
  const Parameters before = network.parameters;
  CHECK_THROWS_WITH_AS(train(network, broken, {.batch = 40}),
                       doctest::Contains("training step 1: the gradient of 'layers.0.weight' is nan"), Error);
  CHECK(same(network.parameters, before));
  CHECK(train(network, data, {.epochs = 0}).empty());
}

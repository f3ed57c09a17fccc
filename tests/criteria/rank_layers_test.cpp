#include "criteria/rank_layers.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "criteria/reduction.h"
#include "criteria/relevance/table.h"
#include "engine/error.h"
#include "engine/ops/elementwise.h"
#include "engine/parallel.h"
#include "tests/criteria/counting_op.h"
#include "tests/criteria/plain_mlp.h"
#include "tests/criteria/small_networks.h"

namespace safer {
namespace {

using test::fill_randomly;
using test::mlp;
using test::random_tensor;

#ifdef SAFER_SANITIZED
constexpr int thread_counts[] = {3};
#else
constexpr int thread_counts[] = {2, 4};
#endif

const RankOptions everything = {.criteria = {"all"}, .reductions = {"all"}};

RankOptions only(std::string criterion, std::string reduction, std::string preset = "recommended") {
  return {.preset = std::move(preset), .criteria = {std::move(criterion)}, .reductions = {std::move(reduction)}};
}

std::vector<double> scores_of(const RankReport& report) {
  std::vector<double> scores;
  for (const RankedLayer& layer : report.layers) scores.push_back(layer.score);
  return scores;
}

/// All numbers of a result, for comparing bits.
std::vector<double> numbers(const RankResult& result) {
  std::vector<double> all;
  for (const RankReport& report : result.reports)
    for (const RankedLayer& layer : report.layers)
      all.insert(all.end(),
                 {layer.score, layer.score_low, layer.score_high, 1.0 * layer.rank, 1.0 * layer.rank_low, 1.0 * layer.rank_high});
  for (const Relevance& relevance : result.relevance)
    for (const float value : relevance.values.values<float>()) all.push_back(value);
  return all;
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

void scale(Network& network, const char* parameter, float factor) {
  for (float& value : network.parameters.mutable_values<float>(network.parameters.id(parameter))) value *= factor;
}

}  // namespace

TEST_CASE("the report names what was used") {
  const Network network = mlp({2, 7, 5, 2}, true, 1);
  const RankResult result = rank_layers(network, random_tensor({40, 2}, 2), {.seed = 9});
  REQUIRE(result.reports.size() == 1);
  CHECK(result.relevance.empty());
  const RankReport& report = result.reports[0];
  CHECK(report.model == "mlp");
  CHECK(report.preset == "recommended");
  CHECK(report.criterion == "perturbation");
  CHECK(report.reduction == "l2");
  CHECK(report.target == "outputs");
  CHECK(report.samples == 40);
  CHECK(report.seed == 9);
  REQUIRE(report.layers.size() == 3);
  CHECK(report.layers[1].name == "layers.1.weight");
  CHECK(report.layers[1].op == "linear");
  CHECK(report.layers[1].shape == Shape{5, 7});
  CHECK(report.layers[1].weights == 35);

  const RankReport paper = rank_layers(network, random_tensor({40, 2}, 2), {.preset = "paper"}).reports[0];
  CHECK(paper.criterion == "weight-x-gradient");
  CHECK(paper.reduction == "linf");
  CHECK(paper.target == "top-logit");
}

TEST_CASE("explicit options override their part of the preset, in the order asked for") {
  const Network network = mlp({2, 7, 2}, true, 1);
  const RankOptions options{.preset = "paper", .criteria = {"weight", "gradient"}, .reductions = {"l1", "p50"}, .target = "margin"};
  const RankResult result = rank_layers(network, random_tensor({40, 2}, 2), options);
  REQUIRE(result.reports.size() == 4);
  CHECK(result.reports[0].criterion == "weight");
  CHECK(result.reports[0].target == "none");
  CHECK(result.reports[0].samples == 0);
  CHECK(result.reports[1].reduction == "p50");
  CHECK(result.reports[2].criterion == "gradient");
  CHECK(result.reports[2].target == "margin");
  CHECK(rank_layers(network, random_tensor({40, 2}, 2), everything).reports.size() == criteria().size() * reductions().size());
}

TEST_CASE("scores agree with textbook backpropagation and plain norms") {
  const Network network = mlp({3, 9, 6, 4}, true, 3);
  const test::PlainMlp plain(network);
  const std::int64_t n = 33;
  const Tensor inputs = random_tensor({n, 3}, 4);
  for (const bool recommended : {false, true}) {
    RankOptions options = only("weight-x-gradient", "l2", recommended ? "recommended" : "paper");
    const RankReport report = rank_layers(network, inputs, options).reports[0];
    for (std::size_t layer = 0; layer < plain.layers(); ++layer) {
      std::vector<double> sum(plain.weight(layer).size());
      for (std::int64_t s = 0; s < n; ++s) {
        const std::span<const float> sample = inputs.values<float>().subspan(static_cast<std::size_t>(3 * s), 3);
        const std::vector<double> g = plain.gradients(sample, recommended)[layer];
        for (std::size_t i = 0; i < g.size(); ++i) sum[i] += recommended ? g[i] * g[i] : g[i];
      }
      double squares = 0;
      for (std::size_t i = 0; i < sum.size(); ++i) {
        const double mean = sum[i] / n, phi = plain.weight(layer)[i] * (recommended ? std::sqrt(mean) : mean);
        squares += phi * phi;
      }
      CHECK(report.layers[layer].score == doctest::Approx(std::sqrt(squares)).epsilon(5e-6));
    }
  }
}

TEST_CASE("gradient and weight-x-gradient together cost one sweep, the weights none") {
  test::CountingOp::Counts counts;
  Network network = mlp({3, 8, 5}, true, 4);
  network.logits = network.tape.record(std::make_shared<test::CountingOp>(counts), {network.tape.var(network.logits)}).id();
  const Tensor inputs = random_tensor({20, 3}, 5);
  for (const char* preset : {"paper", "recommended"}) {
    counts = {};
    CHECK(rank_layers(network, inputs, {.preset = preset, .criteria = {"gradient", "weight-x-gradient", "weight"}}).sweeps == 1);
    CHECK(counts.forward == 20);
    CHECK(counts.reverse == 20);
    CHECK(rank_layers(network, Tensor(), {.preset = preset, .criteria = {"weight"}}).sweeps == 0);
    CHECK(counts.forward == 20);
  }
}

TEST_CASE("weight-x-gradient is invariant under function-preserving rescaling, the others are not") {
  // Powers of two round nothing, so that the invariance is exact.
  const Tensor inputs = random_tensor({24, 3}, 5);
  Network network = mlp({3, 8, 6, 4}, false, 4);
  for (const char* preset : {"paper", "recommended"}) {
    Network rescaled = network;
    scale(rescaled, "layers.0.weight", 8);
    scale(rescaled, "layers.1.weight", 0.125F);
    const auto score = [&](const Network& of, const char* criterion) {
      return scores_of(rank_layers(of, inputs, only(criterion, "l2", preset)).reports[0]);
    };
    CHECK(score(rescaled, "weight-x-gradient") == score(network, "weight-x-gradient"));
    const std::vector<double> gradient = score(network, "gradient"), weight = score(network, "weight");
    CHECK(score(rescaled, "gradient") == std::vector<double>{gradient[0] / 8, gradient[1] * 8, gradient[2]});
    CHECK(score(rescaled, "weight") == std::vector<double>{weight[0] * 8, weight[1] / 8, weight[2]});
  }
}

TEST_CASE("several presets at once, each as alone") {
  const Network network = mlp({3, 8, 7, 4}, true, 8);
  const Tensor inputs = random_tensor({45, 3}, 9);
  const std::vector<std::string> presets = {"paper", "recommended", "paper"};
  for (const std::string path : {"layer", "joint"})
    for (const int resamples : {0, 100}) {
      CAPTURE(path);
      CAPTURE(resamples);
      RankOptions options = everything;
      options.path = path;
      options.masks = 24;
      options.batch = 20;
      options.resamples = resamples;
      options.keep_relevance = true;
      std::int64_t last = 0, total = -1;
      options.progress = [&](std::int64_t done, std::int64_t all) { last = done, total = all; };
      const std::vector<RankResult> together = rank_layers(network, inputs, options, presets);
      CHECK(last == total);
      REQUIRE(together.size() == presets.size());
      for (std::size_t i = 0; i < presets.size(); ++i) {
        options.preset = presets[i];
        CHECK(together[i].reports.front().preset == presets[i]);
        CHECK(same_bits(numbers(together[i]), numbers(rank_layers(network, inputs, options))));
      }
    }
}

TEST_CASE("the same bits for any number of threads") {
  const Network network = mlp({16, 130, 131, 10}, true, 6);
  const Tensor inputs = random_tensor({48, 16}, 7);
  const int threads = available_threads();
  for (const char* preset : {"paper", "recommended"}) {
    RankOptions options = everything;
    options.preset = preset, options.resamples = 40, options.keep_relevance = true;
    set_threads(1);
    const std::vector<double> one = numbers(rank_layers(network, inputs, options));
    for (const int count : thread_counts) {
      set_threads(count);
      CAPTURE(count);
      CHECK(same_bits(numbers(rank_layers(network, inputs, options)), one));
    }
  }
  set_threads(threads);
}

TEST_CASE("the batch size changes nothing but rounding") {
  const Network network = mlp({3, 17, 9, 4}, true, 6);
  const Tensor inputs = random_tensor({50, 3}, 7);
  for (const char* preset : {"paper", "recommended"}) {
    RankOptions options = everything;
    options.preset = preset, options.batch = 50;
    const RankResult reference = rank_layers(network, inputs, options);
    for (const std::int64_t batch : {1, 3, 7}) {
      options.batch = batch;
      const RankResult result = rank_layers(network, inputs, options);
      for (std::size_t r = 0; r < result.reports.size(); ++r)
        for (std::size_t l = 0; l < result.reports[r].layers.size(); ++l) {
          CAPTURE(result.reports[r].criterion);
          CAPTURE(result.reports[r].reduction);
          // Signed means cancel, so that low percentiles lose a digit.
          CHECK(result.reports[r].layers[l].score == doctest::Approx(reference.reports[r].layers[l].score).epsilon(1e-4));
        }
    }
  }
}

TEST_CASE("a NaN weight flags the layers that it spoils, and ranks them last") {
  Network network = mlp({3, 8, 6, 4}, true, 4);
  network.parameters.mutable_values<float>(network.parameters.id("layers.1.weight"))[5] = std::numeric_limits<float>::quiet_NaN();
  const Tensor inputs = random_tensor({20, 3}, 5);
  for (const Reduction& reduction : reductions()) {
    const RankReport report = rank_layers(network, inputs, only("weight", std::string(reduction.name))).reports[0];
    CHECK(report.layers[1].failed);
    CHECK(report.layers[1].rank == 3);
    CHECK(report.layers[1].rank_low == 3);
    CHECK(std::isnan(report.layers[1].score));
    CHECK_FALSE(report.layers[0].failed);
    CHECK(report.layers[0].rank + report.layers[2].rank == 3);
  }
  const RankReport report = rank_layers(network, inputs).reports[0];
  for (const RankedLayer& layer : report.layers) {
    CHECK(layer.failed);
    CHECK(layer.rank == 1);
    CHECK_FALSE(layer.tied);
    CHECK(std::isnan(layer.score_low));
  }
}

TEST_CASE("ties are shown as ties") {
  Network network = mlp({6, 6, 6, 6}, false, 4);
  network.parameters.set(2, network.parameters[0]);
  const RankReport report = rank_layers(network, Tensor(), only("weight", "l2")).reports[0];
  CHECK(report.layers[0].rank == report.layers[2].rank);
  CHECK(report.layers[0].tied);
  CHECK(report.layers[2].tied);
  CHECK_FALSE(report.layers[1].tied);
  CHECK(report.layers[1].rank == (report.layers[1].score > report.layers[0].score ? 1 : 3));
}

TEST_CASE("intervals contain the score and shrink with the root of the number of samples") {
  const Network network = mlp({3, 12, 8, 4}, true, 6);
  RankOptions options = everything;
  const auto widths = [&](std::int64_t n) {
    std::vector<double> all;
    for (const RankReport& report : rank_layers(network, random_tensor({n, 3}, 8), options).reports) {
      if (report.criterion != "weight" && !report.resampled) continue;
      for (const RankedLayer& layer : report.layers) {
        CHECK(layer.score_low <= layer.score);
        CHECK(layer.score <= layer.score_high);
        CHECK(layer.rank_low <= layer.rank);
        CHECK(layer.rank <= layer.rank_high);
        CHECK(layer.rank_low >= 1);
        CHECK(layer.rank_high <= 3);
        if (report.criterion == "weight") {
          CHECK(layer.score_low == layer.score_high);
          CHECK(layer.rank_low == layer.rank_high);
        } else {
          CHECK(layer.score_high > layer.score_low);
          all.push_back((layer.score_high - layer.score_low) / layer.score);
        }
      }
    }
    return all;
  };
  const std::vector<double> few = widths(64), many = widths(64 * 16);
  double ratio = 0;
  for (std::size_t i = 0; i < few.size(); ++i) ratio += few[i] / many[i] / static_cast<double>(few.size());
  CHECK(ratio > 2.8);  // 4 on average over 60 intervals, each of which varies by about sqrt(1 / 15) / sqrt(2) = 18 %
  CHECK(ratio < 5.6);
}

TEST_CASE("without samples, resamples or memory enough there are no intervals") {
  const Network network = mlp({3, 12, 4}, true, 6);
  const Tensor inputs = random_tensor({40, 3}, 8);
  const auto unknown = [](const RankResult& result) {
    for (const RankedLayer& layer : result.reports[0].layers) {
      CHECK(std::isfinite(layer.score));
      CHECK(std::isnan(layer.score_low));
      CHECK(std::isnan(layer.score_high));
      CHECK(layer.rank_low == 1);
      CHECK(layer.rank_high == 2);
    }
  };
  const std::vector<std::string> criteria = {"weight-x-gradient"};
  unknown(rank_layers(network, inputs, {.criteria = criteria, .resamples = 0}));
  unknown(rank_layers(network, inputs, {.criteria = criteria, .bootstrap_bytes = 84 * 8 * 2}));
  unknown(rank_layers(network, random_tensor({3, 3}, 8), {.criteria = criteria}));
  CHECK(std::isfinite(
      rank_layers(network, inputs, {.criteria = criteria, .bootstrap_bytes = 84 * 8 * 3}).reports[0].layers[0].score_low));
  const double with = rank_layers(network, inputs, {.criteria = criteria}).reports[0].layers[0].score;
  CHECK(rank_layers(network, inputs, {.criteria = criteria, .resamples = 0}).reports[0].layers[0].score ==
        doctest::Approx(with).epsilon(2e-6));
}

TEST_CASE("the seed moves the intervals, not the scores, where there is no noise") {
  const Network network = mlp({3, 12, 4}, true, 6);
  const Tensor inputs = random_tensor({64, 3}, 8);
  const RankedLayer a = rank_layers(network, inputs, {.criteria = {"weight-x-gradient"}, .seed = 1}).reports[0].layers[0];
  const RankedLayer b = rank_layers(network, inputs, {.criteria = {"weight-x-gradient"}, .seed = 2}).reports[0].layers[0];
  CHECK(same_bits(numbers(rank_layers(network, inputs, {.seed = 1})), numbers(rank_layers(network, inputs, {.seed = 1}))));
  CHECK(a.score == doctest::Approx(b.score).epsilon(2e-6));
  CHECK(a.score_low != b.score_low);
}

TEST_CASE("relevance: one tensor a weight, with its name and shape, whose norm is the score") {
  const Network network = mlp({3, 12, 4}, true, 6);
  RankOptions options{.criteria = {"weight", "gradient"}, .keep_relevance = true};
  const RankResult result = rank_layers(network, random_tensor({64, 3}, 8), options);
  REQUIRE(result.relevance.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    const Relevance& relevance = result.relevance[i];
    const RankReport& report = result.reports[i / 2];
    CHECK(relevance.criterion == report.criterion);
    CHECK(relevance.name == report.layers[i % 2].name);
    CHECK(relevance.values.shape() == report.layers[i % 2].shape);
    CHECK(relevance.values.type() == DType::f32);
    double squares = 0;
    for (const float value : relevance.values.values<float>()) squares += static_cast<double>(value) * value;
    CHECK(std::sqrt(squares) == doctest::Approx(report.layers[i % 2].score).epsilon(1e-6));
  }
  CHECK(std::ranges::equal(result.relevance[0].values.values<float>(), network.parameters[0].values<float>()));
}

TEST_CASE("doubling a layer doubles its weight score; the head is ranked unless told otherwise") {
  Network network = mlp({3, 8, 6, 4}, true, 4);
  const std::vector<double> before = scores_of(rank_layers(network, Tensor(), only("weight", "linf")).reports[0]);
  scale(network, "layers.1.weight", 2);
  RankOptions options = only("weight", "linf");
  options.rank_head = false;
  CHECK(scores_of(rank_layers(network, Tensor(), options).reports[0]) == std::vector<double>{before[0], 2 * before[1]});
  CHECK(before.size() == 3);
}

TEST_CASE("a network with one logit is asked for that logit") {
  const Network network = mlp({3, 8, 1}, true, 4);
  const RankReport report = rank_layers(network, random_tensor({20, 3}, 5), {.criteria = {"gradient"}}).reports[0];
  CHECK(report.target == "top-logit");
  CHECK(report.layers[0].score > 0);
}

TEST_CASE("large networks are resampled less often") {
  const auto steps = [](const Network& network) {
    std::int64_t of = 0;
    rank_layers(network, random_tensor({20, 3}, 5),
                {.criteria = {"gradient"}, .progress = [&](std::int64_t, std::int64_t total) { of = total; }});
    return of - 20;
  };
  CHECK(steps(mlp({3, 8, 4}, true, 4)) == 1000 * 2);
  CHECK(steps(mlp({3, 200, 200, 4}, true, 4)) == 20'000'000 / 41'400 * 2);
  CHECK(steps(mlp({3, 600, 600, 4}, true, 4)) == 72 * 2);
}

TEST_CASE("progress ends with everything done") {
  std::int64_t last = 0, of = 0;
  RankOptions options{.progress = [&](std::int64_t done, std::int64_t total) {
    CHECK(done > last);
    last = done, of = total;
  }};
  rank_layers(mlp({3, 8, 4}, true, 4), random_tensor({20, 3}, 5), options);
  CHECK(last == of);
  CHECK(of > 0);
}

TEST_CASE("errors") {
  const Network network = mlp({3, 8, 4}, true, 4);
  const Tensor inputs = random_tensor({20, 3}, 5);
  CHECK_THROWS_WITH_AS(rank_layers(network, inputs, {.preset = "best"}), "unknown preset 'best'; choose one of: recommended, paper",
                       Error);
  CHECK_THROWS_WITH_AS(rank_layers(network, inputs, {.criteria = {"lime"}}),
                       "unknown criterion 'lime'; choose one of: weight, gradient, weight-x-gradient, gradcam++, ig, gig, idgi, "
                       "smoothgrad, vargrad, hsic, perturbation, ablation, weight-x-jacobian, fisher, weight-x-fisher, "
                       "hessian-trace, block-influence",
                       Error);
  CHECK_THROWS_WITH_AS(rank_layers(network, inputs, {.reductions = {"l3"}}),
                       "unknown reduction 'l3'; choose one of: mean, p50, p75, p90, p95, p99, l1, l2, linf, rms", Error);
  CHECK_THROWS_AS(rank_layers(network, inputs, {.target = "logit"}), Error);
  CHECK_THROWS_AS(rank_layers(network, inputs, {.criteria = {"weight"}, .target = "logit"}), Error);
  CHECK_THROWS_AS(rank_layers(network, random_tensor({20, 4}, 5)), Error);
  CHECK_THROWS_AS(rank_layers(network, Tensor()), Error);
  CHECK_THROWS_WITH_AS(rank_layers(network, Tensor(DType::f32, {0, 3})),
                       "calibration: 0 samples; criterion 'perturbation' needs some", Error);
  CHECK_THROWS_WITH_AS(rank_layers(mlp({3, 4}, true, 4), inputs, {.rank_head = false}),
                       "mlp: no layers to rank; a layer is a weight that the network reads", Error);
  Network doubles = network;
  doubles.parameters = network.parameters.to(DType::f64);
  CHECK_THROWS_WITH_AS(rank_layers(doubles, inputs, {.criteria = {"weight"}}), "mlp: weights are f64; ranking needs f32", Error);
  const Network hollow = mlp({3, 0, 4}, false, 4);
  CHECK_THROWS_WITH_AS(rank_layers(hollow, inputs), "mlp: layer 'layers.0.weight' has no weights (shape [0, 3])", Error);
}

}  // namespace safer

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "criteria/reduction.h"
#include "criteria/relevance/fold.h"
#include "criteria/relevance/table.h"
#include "engine/error.h"
#include "engine/ops/target.h"

namespace safer {
namespace {

std::vector<double> finish(std::string_view name, PresetId preset, std::vector<double> sum, const std::vector<float>& w, double n) {
  std::vector<double> phi(w.size());
  find_criterion(name).finish(preset, phi, sum, w, n);
  return phi;
}

}  // namespace

TEST_CASE("every row of the table is complete and found by its name") {
  for (const Criterion* criterion : criteria()) {
    CAPTURE(criterion->name);
    CHECK(&find_criterion(criterion->name) == criterion);
    CHECK_FALSE(criterion->source.empty());
    CHECK_FALSE(criterion->cost.empty());
    for (const Preset& preset : presets()) {
      CHECK_FALSE(criterion->formula[static_cast<std::size_t>(preset.id)].empty());
      const Needs needs = criterion->needs(preset.id);
      if (needs.probe == Probe::none) CHECK(needs == Needs{});
    }
  }
}

TEST_CASE("presets name what exists") {
  for (const Preset& preset : presets()) {
    CHECK(&find_preset(preset.name) == &preset);
    CHECK_NOTHROW(find_criterion(preset.criterion));
    CHECK_NOTHROW(find_reduction(preset.reduction));
    CHECK_NOTHROW(find_target(preset.target));
  }
  CHECK(find_preset("paper").target == "top-logit");
  CHECK(find_preset("paper").reduction == "linf");
  CHECK(find_preset("recommended").target == "pseudo-ce");
  CHECK(find_preset("recommended").reduction == "l2");
}

TEST_CASE("gradient and weight-x-gradient share their sums") {
  for (const Preset& preset : presets()) {
    const Needs gradient = find_criterion("gradient").needs(preset.id);
    CHECK(gradient == find_criterion("weight-x-gradient").needs(preset.id));
    CHECK(gradient.per_sample == (preset.id == PresetId::recommended));
    CHECK_FALSE(gradient == find_criterion("weight").needs(preset.id));
  }
}

TEST_CASE("phi in closed form") {
  const std::vector<float> w = {2, -3, 0, 0.5F};
  const std::vector<double> sum = {8, 2, 18, -4};  // over 2 samples
  using Values = std::vector<double>;
  for (const Preset& preset : presets()) CHECK(finish("weight", preset.id, {}, w, 2) == Values{2, -3, 0, 0.5});
  CHECK(finish("gradient", PresetId::paper, sum, w, 2) == Values{4, 1, 9, -2});
  CHECK(finish("weight-x-gradient", PresetId::paper, sum, w, 2) == Values{8, -3, 0, -1});
  const std::vector<double> squares = {8, 2, 18, 32};
  CHECK(finish("gradient", PresetId::recommended, squares, w, 2) == Values{2, 1, 3, 4});
  CHECK(finish("weight-x-gradient", PresetId::recommended, squares, w, 2) == Values{4, 3, 0, 2});
}

TEST_CASE("folds add to what is there, in double") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const std::int64_t n : {0, 1, 3, 4, 7, 8, 9, 31, 33}) {
    std::vector<float> g(static_cast<std::size_t>(n)), w(g.size(), nan);
    std::vector<double> sum(g.size()), square(g.size());
    for (std::size_t i = 0; i < g.size(); ++i) {
      g[i] = 1e-30F * static_cast<float>(i + 1) * (i % 2 ? -1.0F : 1.0F);  // the square of which is no float
      sum[i] = square[i] = 1e-70 * static_cast<double>(i);
    }
    fold_gradient(sum.data(), w.data(), g.data(), n);
    fold_gradient_square(square.data(), w.data(), g.data(), n);
    for (std::size_t i = 0; i < g.size(); ++i) {
      const double value = g[i], before = 1e-70 * static_cast<double>(i);
      CHECK(sum[i] == before + value);
      CHECK(square[i] == doctest::Approx(before + value * value).epsilon(1e-15));
    }
  }
}

TEST_CASE("errors name what there is") {
  CHECK_THROWS_WITH_AS(find_criterion("wgrad"),
                       "unknown criterion 'wgrad'; choose one of: weight, gradient, weight-x-gradient, gradcam++, ig, gig, idgi, "
                       "smoothgrad, vargrad, hsic, perturbation, ablation, weight-x-jacobian, fisher, weight-x-fisher, "
                       "hessian-trace, block-influence",
                       Error);
  CHECK_THROWS_WITH_AS(find_preset(""), "unknown preset ''; choose one of: recommended, paper", Error);
}

}  // namespace safer

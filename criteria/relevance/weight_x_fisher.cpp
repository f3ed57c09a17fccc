#include "criteria/relevance/weight_x_fisher.h"

#include <cstddef>

#include "criteria/relevance/fisher.h"

namespace safer {
namespace {

Needs needs(PresetId preset) { return fisher_criterion.needs(preset); }

void finish(PresetId preset, std::span<double> phi, std::span<const double> sum, std::span<const float> w, double samples) {
  fisher_criterion.finish(preset, phi, sum, w, samples);
  for (std::size_t i = 0; i < phi.size(); ++i) phi[i] *= double{w[i]} * w[i];
}

}  // namespace

constinit const Criterion weight_x_fisher_criterion = {"weight-x-fisher",
                                                       {"w^2 E sum_y p_y (d log p_y / dw)^2", "w^2 E sum_y p_y (d log p_y / dw)^2"},
                                                       "LeCun et al. 1990, eq. 5, with the Fisher information; Theis et al. 2018",
                                                       "F + min(classes, 16) B",
                                                       needs,
                                                       finish};

}  // namespace safer

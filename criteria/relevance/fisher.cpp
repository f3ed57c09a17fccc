#include "criteria/relevance/fisher.h"

#include <cstddef>

#include "criteria/relevance/fold.h"

namespace safer {
namespace {

Needs needs(PresetId) { return {Probe::likelihood, true, fold_gradient_square}; }

void finish(PresetId, std::span<double> phi, std::span<const double> sum, std::span<const float>, double samples) {
  for (std::size_t i = 0; i < phi.size(); ++i) phi[i] = sum[i] / samples;
}

}  // namespace

constinit const Criterion fisher_criterion = {"fisher",
                                              {"E sum_y p_y (d log p_y / dw)^2", "E sum_y p_y (d log p_y / dw)^2"},
                                              "Fisher information; Kirkpatrick et al. 2017",
                                              "F + min(classes, 16) B",
                                              needs,
                                              finish};

}  // namespace safer

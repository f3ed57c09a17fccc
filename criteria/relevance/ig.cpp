#include "criteria/relevance/ig.h"

#include <cstddef>

#include "criteria/relevance/fold.h"

namespace safer {
namespace {

Needs needs(PresetId) { return {Probe::straight_path, false, fold_gradient}; }

void finish(PresetId preset, std::span<double> phi, std::span<const double> sum, std::span<const float> w, double count) {
  for (std::size_t i = 0; i < phi.size(); ++i) phi[i] = sum[i] / count;
  if (preset == PresetId::recommended)
    for (std::size_t i = 0; i < phi.size(); ++i) phi[i] *= double{w[i]};
}

}  // namespace

constinit const Criterion ig_criterion = {"ig",
                                          {"mean over lambda of E[g(lambda W)]", "w times the mean over lambda of E[g(lambda W)]"},
                                          "SAfER eq. 8; Sundararajan et al. 2017",
                                          "a layer: steps (F + B) from that layer on; joint: steps (F + B)",
                                          needs,
                                          finish};

}  // namespace safer

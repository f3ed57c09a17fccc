#include "criteria/relevance/hessian_trace.h"

#include <cmath>
#include <cstddef>

namespace safer {
namespace {

Needs needs(PresetId) { return {Probe::curvature, false, nullptr}; }

void finish(PresetId, std::span<double> phi, std::span<const double> sum, std::span<const float>, double count) {
  for (std::size_t i = 0; i < phi.size(); ++i) phi[i] = std::abs(sum[i]) / count;
}

}  // namespace

constinit const Criterion hessian_trace_criterion = {"hessian-trace",
                                                     {"|tr(d^2 F / dW^2)| mean(w^2)", "|tr(d^2 F / dW^2)| mean(w^2)"},
                                                     "HAWQ-V2, Dong et al. 2020, eq. 8; Hutchinson 1990",
                                                     "8 (F + B) in double",
                                                     needs,
                                                     finish};

}  // namespace safer

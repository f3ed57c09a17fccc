#include "criteria/relevance/weight.h"

#include <algorithm>

namespace safer {
namespace {

Needs needs(PresetId) { return {}; }

void finish(PresetId, std::span<double> phi, std::span<const double>, std::span<const float> w, double) {
  std::ranges::copy(w, phi.begin());
}

}  // namespace

constinit const Criterion weight_criterion = {"weight", {"w", "w"}, "SAfER, criterion W", "0", needs, finish};

}  // namespace safer

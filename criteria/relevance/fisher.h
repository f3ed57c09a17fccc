#pragma once

#include "criteria/relevance/criterion.h"

namespace safer {

/// The diagonal of the Fisher information of the network's own answers: how much their likelihood reacts to a weight.
extern const Criterion fisher_criterion;

}  // namespace safer

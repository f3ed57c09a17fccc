#pragma once

#include "criteria/relevance/criterion.h"

namespace safer {

/// Integrated gradients from 0 to W. phi = the mean of E[g(lambda W)] over midpoints lambda, without the factor w that the paper
/// leaves out (paper), or w times it, as Sundararajan et al. define it (recommended): then the sum of phi over a layer is
/// E[f(W)] - E[f(0)] up to the error of the quadrature. One weight tensor is scaled at a time, with all else, biases too, as it is;
/// `joint` scales all of them together, which is another quantity. In a bias-free ReLU network g(lambda W_l) is constant, so that
/// phi equals w E[g].
extern const Criterion ig_criterion;

}  // namespace safer

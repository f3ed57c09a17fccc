#pragma once

#include "engine/tape/tape.h"

/// Functions of single elements, and softmax. All throw Error when x holds indices instead of reals.
namespace safer {

/// max(x, 0)
Var relu(Var x);
/// min(max(x, 0), 6)
Var relu6(Var x);
/// x where x > 0, slope * x elsewhere
Var leaky_relu(Var x, double slope = 0.01);
enum class Gelu { erf, tanh };
/// x times the normal distribution function of x, exactly or by its approximation with tanh (Hendrycks & Gimpel 2016)
Var gelu(Var x, Gelu form = Gelu::erf);
/// x sigmoid(x)
Var silu(Var x);
/// x relu6(x + 3) / 6 (Howard et al. 2019)
Var hard_swish(Var x);
/// x tanh(softplus(x)) (Misra 2019)
Var mish(Var x);
/// log(1 + exp(x))
Var softplus(Var x);
/// 1 / (1 + exp(-x))
Var sigmoid(Var x);
Var tanh(Var x);
Var exp(Var x);
/// The natural logarithm; -infinity at 0, NaN below.
Var log(Var x);
Var erf(Var x);
/// x * x
Var square(Var x);
/// The gradient at 0 is infinite.
Var sqrt(Var x);

/// exp(x) / sum exp(x) along `axis` (-1: the last), of any size without overflow. Throws Error for the batch axis.
Var softmax(Var x, std::int64_t axis = -1);
/// log softmax(x), without forming the softmax. Throws Error for the batch axis.
Var log_softmax(Var x, std::int64_t axis = -1);

}  // namespace safer

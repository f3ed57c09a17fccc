#pragma once

#include "models/network.h"

namespace safer {

/// The network with its batch norms folded into the weights before them, which changes inference by rounding only:
///   w' = s w,  b' = s (b - mean) + beta   with s = gamma / sqrt(variance + epsilon) for each output channel (Jacob et al. 2018,
///   eq. 14)
/// wherever nothing else reads the weight, the convolution (or linear layer with one row a sample) and the norm's parameters. A
/// layer without bias gets one, called like its weight with "bias" in place of "weight". Other batch norms stay as they are.
Network fold_batch_norms(const Network& network);

}  // namespace safer

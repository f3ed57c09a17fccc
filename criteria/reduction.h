#pragma once

#include <span>
#include <string_view>

namespace safer {

/// psi: folds a layer's relevances phi, taken as |phi| and flattened, into one number. NaN in, NaN out. Sums are in double and in a
/// fixed order, so that the same phi gives the same bits for any number of threads.
struct Reduction {
  std::string_view name;     // as on the command line
  std::string_view formula;  // of the n values s = |phi|
  /// `scratch`: as many elements as phi, overwritten. phi is not empty.
  double (*apply)(std::span<const double> phi, std::span<double> scratch);

  /// Throws Error when phi is empty.
  double operator()(std::span<const double> phi) const;
};

/// All reductions, in the order in which they are listed.
std::span<const Reduction> reductions();
/// Throws Error, naming every reduction, when there is none of that name.
const Reduction& find_reduction(std::string_view name);

}  // namespace safer

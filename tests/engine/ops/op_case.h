#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tape/tape.h"
#include "tests/engine/gradcheck.h"

namespace safer::test {

inline constexpr double float_ulp = 0x1p-23;  // of 1

/// How the values of an input or parameter are drawn.
struct Draw {
  double low = -1, high = 1;
  std::vector<double> avoid = {};  // kinks, from which `gap` is kept
  double gap = 0.02;
  bool distinct = false;  // evenly spaced from low to high in random order: no ties within a sample, for maxima
};

/// What stands where a case declares a value.
enum class Stand {
  plain,     // the input or parameter itself
  computed,  // a value computed from it, equal to the last bit: buffers are shared, gradients of weights flow on
  shared     // parameters for inputs, too: nothing has a batch
};

/// Records a case on a tape: declares its inputs and parameters and remembers how to draw them. Declaring a name again gives
/// the value that it had the first time, so that recording a case twice uses all its values twice.
class Recording {
 public:
  Recording(Tape& tape, Stand stand) : tape_(tape), stand_(stand) {}
  Tape& tape() { return tape_; }
  /// An input whose `shape` is what one sample owns, with 1 or more rows on its batch axis.
  Var input(const std::string& name, const Shape& shape, const Draw& draw = {}, int batch_axis = 0);
  Var parameter(const std::string& name, const Shape& shape, const Draw& draw = {}, Role role = Role::weight);
  /// Integers from 0 to below - 1.
  Var index(const std::string& name, const Shape& shape, std::int64_t below, int batch_axis = 0);

  /// Random values for all that was declared; sample s gets the same ones in a batch of any size.
  Data draw(std::int64_t batch, Mode mode) const;

 private:
  Var declared(const std::string& name, Var value, const Draw& draw);

  Tape& tape_;
  Stand stand_;
  std::map<std::string, Var> known_;
  std::map<ValueId, Draw> draws_;
  std::map<ValueId, std::int64_t> below_;
};

/// One way to use an op, for the tests that hold for all of them.
struct OpCase {
  std::string op;     // a row of engine/ops/table.h
  std::string label;  // what is special about it
  std::function<Var(Recording&)> record;
  double ulps = 16;  // error allowed to a float result, in units of 2^-23 times the largest magnitude in its tensor: a half for
                     // each rounding in a row, so that this is enough for sums of 32 terms
  double terms = 0;  // magnitude of what cancels in a gradient, where the gradient itself is smaller
  bool shareable = true;  // also works when no input has a batch
  Mode mode = Mode::inference;
  double step = Differences::usual_step;  // of the differences that its gradient is held against
};

/// All cases of all families; see all_cases.cpp.
const std::vector<OpCase>& all_cases();

/// A case on its tape.
struct Recorded {
  explicit Recorded(const OpCase& op_case, Stand stand = Stand::plain, int times = 1);
  /// Random numbers of the root's size, for the start of a reverse sweep.
  std::vector<double> seed(std::int64_t batch) const;
  Data draw(std::int64_t batch) const { return recording.draw(batch, mode); }
  /// A sample's output depends on the others: there is none alone, and no gradient of its own.
  bool mixes_samples() const { return tape.node(root).op->mixes_samples(mode); }

  Tape tape;
  Recording recording;
  Mode mode;
  ValueId root = no_value;  // the case's output; recorded several times, their sum
};

}  // namespace safer::test

// Every gradient of every op against central differences of the op's own double reference.

#include <doctest/doctest.h>

#include "engine/ops/table.h"
#include "tests/engine/ops/op_case.h"

namespace safer::test {
namespace {

/// One random projection of the whole Jacobian, in both types: the double gradient is off by no more than the differences
/// themselves are (rounding, and step^2 times the third derivative), the float gradient by the rounding that the case allows.
void check_gradients(const OpCase& op_case, Stand stand, int times, std::int64_t batch) {
  const Recorded recorded(op_case, stand, times);
  const Data data = recorded.draw(batch);
  const std::vector<double> seed = recorded.seed(batch);
  const Differences expected = central_differences(recorded.tape, recorded.root, data, seed, op_case.step);
  const Outcome slow = differentiate<double>(recorded.tape, recorded.root, data, seed);
  const Outcome fast = differentiate<float>(recorded.tape, recorded.root, data, seed);
  Deviation of_double, of_float;
  for (const auto& [id, differences] : expected.gradients) {
    const std::string& name = recorded.tape.node(id).name;
    const double magnitude = largest(differences);
    of_double.add(name, slow.gradients.at(id), differences, expected.rounding() + 1e-8 * magnitude);
    of_float.add(name, fast.gradients.at(id), differences,
                 expected.rounding() + op_case.ulps * float_ulp * std::max(magnitude, op_case.terms));
  }
  INFO(op_case.op, ", ", op_case.label, ", batch ", batch, ", stand ", static_cast<int>(stand), ", times ", times);
  CHECK_MESSAGE(of_double.ratio <= 1, "double: ", of_double.where);
  CHECK_MESSAGE(of_float.ratio <= 1, "float: ", of_float.where);
}

}  // namespace

TEST_CASE("ops: every op has a case") {
  for (const std::string_view name : op_names)
    CHECK_MESSAGE(std::ranges::find(all_cases(), name, &OpCase::op) != all_cases().end(), name, " has no case in tests/engine/ops");
  for (const OpCase& op_case : all_cases()) {
    const Recorded recorded(op_case);
    CHECK_MESSAGE(recorded.tape.node(recorded.root).op->name() == op_case.op, op_case.label);
  }
}

TEST_CASE("ops: gradients agree with central differences") {
  for (const OpCase& op_case : all_cases())
    for (const std::int64_t batch : {1, 3}) check_gradients(op_case, Stand::plain, 1, batch);
}

TEST_CASE("ops: gradients of values used twice are added up") {
  for (const OpCase& op_case : all_cases()) check_gradients(op_case, Stand::plain, 2, 2);
}

TEST_CASE("ops: computed values may stand where inputs and weights stand") {
  for (const OpCase& op_case : all_cases()) check_gradients(op_case, Stand::computed, 1, 2);
}

TEST_CASE("ops: gradients of values without a batch") {
  for (const OpCase& op_case : all_cases())
    if (op_case.shareable) check_gradients(op_case, Stand::shared, 1, 2);
}

}  // namespace safer::test

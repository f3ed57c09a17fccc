// Float runs of every op, with the kernels of every instruction set that runs here, against the double run of the same numbers.

#include <doctest/doctest.h>

#include "tests/engine/ops/op_case.h"

namespace safer::test {
namespace {

void check_precision(const OpCase& op_case, const kernels::KernelTable<float>& table, std::int64_t batch) {
  const Recorded recorded(op_case);
  const Data data = recorded.draw(batch);
  const std::vector<double> seed = recorded.seed(batch);
  const Outcome expected = differentiate<double>(recorded.tape, recorded.root, data, seed);
  const Outcome found = differentiate<float>(recorded.tape, recorded.root, data, seed, table);
  Deviation deviation;
  deviation.add("output", found.output, expected.output, op_case.ulps * float_ulp * largest(expected.output));
  for (const auto& [id, gradient] : expected.gradients)
    deviation.add(recorded.tape.node(id).name, found.gradients.at(id), gradient,
                  op_case.ulps * float_ulp * std::max(largest(gradient), op_case.terms));
  INFO(op_case.op, ", ", op_case.label, ", batch ", batch, ", ", table.name);
  CHECK_MESSAGE(deviation.ratio <= 1, deviation.where);
}

}  // namespace

TEST_CASE("ops: float agrees with double in every instruction set") {
  for (const kernels::Isa& isa : kernels::isas()) {
    if (!isa.runs_here()) {
      MESSAGE("not tested, does not run here: ", isa.table->name);
      continue;
    }
    for (const OpCase& op_case : all_cases())
      for (const std::int64_t batch : {1, 5}) check_precision(op_case, *isa.table, batch);
  }
}

TEST_CASE("ops: a batch gives what its samples give alone") {
  for (const OpCase& op_case : all_cases()) {
    const Recorded recorded(op_case);
    const Data data = recorded.draw(3);
    const ValueType& type = recorded.tape.node(recorded.root).type;
    if (!type.batched() || recorded.mixes_samples()) continue;
    Runner<double> whole(recorded.tape, {.outputs = {recorded.root}}, data);
    whole.replay();
    Deviation deviation;
    for (std::int64_t s = 0; s < 3; ++s) {
      Runner<double> one(recorded.tape, {.outputs = {recorded.root}}, sample_of(recorded.tape, data, s));
      one.replay();
      const std::vector<double> alone = one.value(recorded.root);
      const std::vector<double> part = sample_of<double>(type, whole.value(recorded.root), 3, s);
      deviation.add(fmt::format("sample {}", s), part, alone, 1e-14 * largest(alone));
    }
    INFO(op_case.op, ", ", op_case.label);
    CHECK_MESSAGE(deviation.ratio <= 1, deviation.where);
  }
}

}  // namespace safer::test

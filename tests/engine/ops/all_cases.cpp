#include "tests/engine/ops/op_case.h"

namespace safer::test {

// One function a family, beside its own tests.
std::vector<OpCase> linear_cases();
std::vector<OpCase> conv_cases();
std::vector<OpCase> matmul_cases();
std::vector<OpCase> norm_cases();
std::vector<OpCase> batch_norm_cases();
std::vector<OpCase> pool_cases();
std::vector<OpCase> resize_cases();
std::vector<OpCase> attention_cases();
std::vector<OpCase> elementwise_cases();
std::vector<OpCase> activation_cases();
std::vector<OpCase> quantize_cases();
std::vector<OpCase> reduce_cases();
std::vector<OpCase> shape_cases();
std::vector<OpCase> gather_cases();
std::vector<OpCase> expand_cases();
std::vector<OpCase> random_cases();
std::vector<OpCase> target_cases();

const std::vector<OpCase>& all_cases() {
  static const std::vector<OpCase> cases = [] {
    std::vector<OpCase> all;
    for (const auto& family : {linear_cases, conv_cases, matmul_cases, norm_cases, batch_norm_cases, pool_cases, resize_cases,
                               attention_cases, elementwise_cases, activation_cases, quantize_cases, reduce_cases, shape_cases,
                               gather_cases, expand_cases, random_cases, target_cases})
      for (OpCase& op_case : family()) all.push_back(std::move(op_case));
    return all;
  }();
  return cases;
}

}  // namespace safer::test

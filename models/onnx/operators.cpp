#include "models/onnx/operators.h"

#include <algorithm>

namespace safer::onnx {
namespace {

std::vector<std::span<const Operator>> families() {
  return {activation_operators(), conv_operators(),   elementwise_operators(), linear_operators(),
          norm_operators(),       pad_operators(),    pool_operators(),        quantize_operators(),
          reduce_operators(),     resize_operators(), shape_operators()};
}

}  // namespace

const Operator* find_operator(std::string_view name) {
  for (const std::span<const Operator> family : families())
    if (const auto found = std::ranges::find(family, name, &Operator::name); found != family.end()) return &*found;
  return nullptr;
}

std::vector<std::string_view> operator_names() {
  std::vector<std::string_view> names;
  for (const std::span<const Operator> family : families())
    for (const Operator& row : family) names.push_back(row.name);
  std::ranges::sort(names);
  return names;
}

}  // namespace safer::onnx

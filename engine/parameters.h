#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tensor.h"

namespace safer {

struct Range {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

/// What a parameter is for. Weights are what criteria rank; the others are neither ranked nor perturbed.
enum class Role { weight, bias, norm, embedding, buffer };

/// A named range of a weight's output axis that counts as a layer of its own (fused q, k, v).
struct Part {
  std::string name;
  Range outputs;
};

struct ParameterSpec {
  std::string name;
  Shape shape;
  Role role = Role::weight;
  int output_axis = 0;  // the axis of output neurons: 0 for [out, in], 1 for ONNX MatMul's [in, out]
  std::vector<Part> parts = {};

  /// Output neurons: 1 for a scalar.
  std::int64_t neurons() const { return shape.rank() == 0 ? 1 : shape[output_axis]; }
};

/// The parameters that a tape declares, in order of declaration. Shared between the tape and all sets of values for it.
class ParameterTable {
 public:
  /// Throws Error when the name is taken.
  int add(ParameterSpec spec);
  int size() const { return static_cast<int>(specs_.size()); }
  const ParameterSpec& operator[](int id) const { return specs_[static_cast<std::size_t>(id)]; }
  int find(std::string_view name) const;  // -1 when there is none

 private:
  std::vector<ParameterSpec> specs_;
};

/// Values for a tape's parameters. Copying shares every tensor until it is written to, so a perturbed replica of a
/// network costs one tensor.
class Parameters {
 public:
  Parameters() = default;
  /// All zero.
  explicit Parameters(std::shared_ptr<const ParameterTable> table, DType type = DType::f32);

  const std::shared_ptr<const ParameterTable>& table() const { return table_; }
  int size() const { return static_cast<int>(values_.size()); }
  DType type() const { return type_; }
  const ParameterSpec& spec(int id) const { return (*table_)[id]; }
  /// Throws Error naming the parameters there are.
  int id(std::string_view name) const;

  const Tensor& operator[](int id) const { return values_[static_cast<std::size_t>(id)]; }
  const Tensor& operator[](std::string_view name) const { return (*this)[id(name)]; }
  /// Throws Error when shape or type differ from the declaration.
  void set(int id, Tensor value);
  template <class T>
  std::span<T> mutable_values(int id) {
    return values_[static_cast<std::size_t>(id)].mutable_values<T>();
  }
  /// All values converted: to f64 for a run of the double reference.
  Parameters to(DType type) const;
  std::int64_t elements() const;  // over all parameters

 private:
  std::shared_ptr<const ParameterTable> table_;
  std::vector<Tensor> values_;
  DType type_ = DType::f32;
};

}  // namespace safer

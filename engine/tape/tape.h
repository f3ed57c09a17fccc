#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/parameters.h"
#include "engine/tape/op.h"

namespace safer {

using ValueId = std::int32_t;
constexpr ValueId no_value = -1;

class Tape;

/// A value on a tape: what recording functions take and return. Cheap to copy; valid as long as the tape.
class Var {
 public:
  Var() = default;  // no value, for optional inputs
  Var(Tape& tape, ValueId id) : tape_(&tape), id_(id) {}
  explicit operator bool() const { return tape_ != nullptr; }
  Tape& tape() const { return *tape_; }
  ValueId id() const { return id_; }
  const ValueType& type() const;
  const Shape& shape() const { return type().shape; }  // of one sample

 private:
  Tape* tape_ = nullptr;
  ValueId id_ = no_value;
};

/// One entry of the tape: a value and how it comes about.
struct Node {
  enum class Kind { input, parameter, constant, op };
  Kind kind = Kind::op;
  std::shared_ptr<const Op> op = {};  // kind op
  std::vector<ValueId> inputs = {};   // kind op; all smaller than the node's own id
  ValueType type = {};
  std::string name = {};  // unique on the tape
  int parameter = -1;     // kind parameter: its id in the parameter table
  Tensor constant = {};   // kind constant
};

/// A layer: a weight, or a named part of one. What criteria rank and budgets are spent on.
struct Layer {
  std::string name;  // the parameter's own name, or the part's
  int parameter = -1;
  Range outputs;  // rows of the output axis that belong to it; all of them unless it is a part
  int output_axis = 0;
  std::vector<ValueId> uses;  // op nodes that read the weight, in execution order
};

/// The recorded program: nodes in execution order (a Wengert list). It is recorded once, by running ordinary C++ on Vars, and never
/// changed by those who run it: plans are derived from it. Copying is cheap enough to append a target to a copy.
class Tape {
 public:
  Tape() : parameters_(std::make_shared<ParameterTable>()) {}

  /// A value given anew for each run, of shape [N, sample...]; N stays free.
  Var input(std::string name, const Shape& sample, DType type = DType::f32);
  Var input(std::string name, const ValueType& type);
  Var parameter(ParameterSpec spec);
  /// A fixed tensor (f32, f64 or i64) that all samples share.
  Var constant(std::string name, Tensor value);
  /// Appends an op. Its node is called `name`, or after the op when that is empty, with the scopes before it and a number behind it
  /// where that name is taken. Throws Error, naming the node, when the inputs do not fit.
  Var record(std::shared_ptr<const Op> op, std::span<const Var> inputs, std::string_view name = {});
  Var record(std::shared_ptr<const Op> op, std::initializer_list<Var> inputs, std::string_view name = {}) {
    return record(std::move(op), std::span<const Var>(inputs.begin(), inputs.size()), name);
  }
  /// Renames a value. Throws Error when the name is taken.
  Var rename(Var value, std::string name);

  /// Prefixes the names of nodes and parameters recorded during its life: "blocks.0." and so on, nested.
  class Scope {
   public:
    Scope(Tape& tape, std::string_view name);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Tape& tape_;
    std::size_t length_;
  };
  [[nodiscard]] Scope scope(std::string_view name) { return Scope(*this, name); }
  /// What the scopes in force put before names: "blocks.0."
  std::string_view prefix() const { return prefix_; }

  const std::vector<Node>& nodes() const { return nodes_; }
  const Node& node(ValueId id) const { return nodes_[static_cast<std::size_t>(id)]; }
  int size() const { return static_cast<int>(nodes_.size()); }
  Var var(ValueId id) { return Var(*this, id); }
  /// The value called `name`. Throws Error when there is none.
  ValueId find(std::string_view name) const;
  std::shared_ptr<const ParameterTable> parameters() const { return parameters_; }
  /// The node of a parameter.
  ValueId parameter_value(int parameter) const;

  /// All layers, in the order in which their weights are first used.
  std::vector<Layer> layers() const;
  /// "The activation of" a layer's use: the output of the activation that directly follows the op and is its only reader, else the
  /// op's own output.
  ValueId activation_of(ValueId use) const;

 private:
  friend class Scope;
  ValueId append(Node node);
  std::string free_name(std::string_view name) const;

  std::vector<Node> nodes_;
  std::shared_ptr<ParameterTable> parameters_;
  std::string prefix_;
};

/// What a node that applies a weight is called: "fc1" for the parameter "fc1.weight", without the scopes that the tape will put
/// before it again; empty for other names and for computed weights.
std::string layer_name(Var weight);

inline const ValueType& Var::type() const { return tape_->node(id_).type; }

}  // namespace safer

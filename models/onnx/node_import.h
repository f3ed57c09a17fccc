#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tape/tape.h"
#include "models/onnx/attributes.h"
#include "models/onnx/value.h"

namespace safer::onnx {

/// The weights of an import: which known tensors became parameters of the tape, and their values.
class ImportedWeights {
 public:
  explicit ImportedWeights(Tape& tape) : tape_(tape) {}

  /// The parameter that `known` is; declared, when it is none yet, under its own name or, where that was made up by an exporter,
  /// as `otherwise`.
  Var parameter(const std::shared_ptr<const Known>& known, Role role, int output_axis, const std::string& otherwise);
  /// A constant of the tape.
  Var constant(const std::shared_ptr<const Known>& known);
  /// By name of the parameter.
  const std::map<std::string, Tensor>& values() const { return values_; }

 private:
  std::string free_name(const std::string& wanted) const;
  Tape& tape_;
  std::map<const Known*, Var> vars_;
  std::vector<std::shared_ptr<const Known>> keep_;  // so that no address in vars_ is used again
  std::map<std::string, Tensor> values_;
};

/// A node that is being recorded on the tape: what the operators' functions see.
class NodeImport {
 public:
  /// `wanted`: by output, whether somebody reads it; `budget`: elements that constants made for nodes may still have.
  NodeImport(const Node& node, std::vector<Value> inputs, std::vector<bool> wanted, std::int64_t opset, bool batch_is_baked,
             ImportedWeights& weights, Tape& tape, std::int64_t& budget)
      : node_(node),
        inputs_(std::move(inputs)),
        wanted_(std::move(wanted)),
        opset_(opset),
        baked_(batch_is_baked),
        weights_(weights),
        tape_(tape),
        budget_(budget) {}

  Attributes attributes() const { return Attributes(node_); }
  std::int64_t opset() const { return opset_; }
  Tape& tape() const { return tape_; }
  std::size_t inputs() const { return inputs_.size(); }
  std::size_t outputs() const { return node_.outputs.size(); }
  /// Whether somebody reads output i.
  bool wants(std::size_t i) const { return i < wanted_.size() && wanted_[i]; }
  /// Whether the file fixes the batch to the one sample that it was exported with.
  bool batch_is_baked() const { return baked_; }

  bool has(std::size_t i) const { return i < inputs_.size() && (inputs_[i].known || inputs_[i].var); }
  bool is_known(std::size_t i) const { return has(i) && inputs_[i].known; }
  /// Throws Error when the input is left out; so do the following.
  const Value& value(std::size_t i) const;
  /// Input i on the tape. A known tensor is put there: as a parameter of `role` where the file has it as an initializer, else as a
  /// constant. Throws Error for merged axes.
  Var var(std::size_t i, Role role = Role::bias) const;
  /// The same where the operator treats all axes but the last alike, so that merged axes do no harm.
  Var rows(std::size_t i, Role role = Role::bias) const;
  /// What rows(i) was made into, with the same axes merged.
  Value like(std::size_t i, Var var) const { return {nullptr, var, inputs_[i].merged}; }
  /// Input i as a parameter, whatever it was computed from. Throws Error unless it is known.
  Var parameter(std::size_t i, Role role, int output_axis = 0) const;
  /// The same for a tensor made from input i, of which `what` ("weight") is the usual name.
  Var parameter(const std::shared_ptr<const Known>& known, Role role, int output_axis, std::string_view what) const;
  /// A constant. Throws Error when the network computes it.
  const Tensor& constant(std::size_t i, std::string_view what) const;
  double scalar(std::size_t i, std::string_view what) const;
  /// Integers that newer opsets give as input i and older ones as an attribute; empty when neither is there.
  std::vector<std::int64_t> integers(std::size_t i, std::string_view attribute) const;

  /// Counts the elements of a table or matrix that is about to be made for this node. Throws Error when those of all nodes together
  /// would become far larger than the file.
  void spend(std::int64_t elements) const;

  /// Where in the network this is: "layer1.0.conv1" for the node "/layer1/layer1.0/conv1/Conv".
  std::string path() const;

 private:
  const Node& node_;
  std::vector<Value> inputs_;
  std::vector<bool> wanted_;
  std::int64_t opset_;
  bool baked_;
  ImportedWeights& weights_;
  Tape& tape_;
  std::int64_t& budget_;
};

/// Records a node and returns its outputs, in order; those that nobody asked for may be left out. Throws Error for what it cannot
/// do.
using Import = std::vector<Value> (*)(const NodeImport&);

inline std::vector<Value> single(Var var) { return {{nullptr, var}}; }
inline std::vector<Value> single(Known known) { return {{std::make_shared<const Known>(std::move(known)), {}}}; }

}  // namespace safer::onnx

#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "models/onnx/graph_view.h"
#include "models/onnx/model.h"
#include "models/onnx/node_import.h"

namespace safer::onnx {

/// Records a graph on a tape, node by node.
class GraphImport : public GraphView {
 public:
  /// The initializers are known from here on. `model` must outlive this. Throws Error for opsets that are not supported.
  GraphImport(const Model& model, std::string_view file, Tape& tape);

  /// Gives an input its value.
  void bind(const std::string& name, Value value) { values_[name] = std::move(value); }
  /// Says that sizes in the graph were fixed for a batch of one sample.
  void assume_baked_batch() { baked_ = true; }
  /// Records what `output` is computed from, and returns it. Throws Error naming all nodes that cannot be imported.
  Value record(const std::string& output);
  const ImportedWeights& weights() const { return weights_; }

  const Node* producer(const std::string& name) const override;
  const Value* value(const std::string& name) const override;

 private:
  std::vector<const Node*> needed_for(const std::string& output) const;
  void import(const Node& node);
  std::vector<Value> outputs_of(const Node& node);
  std::optional<std::vector<Value>> folded(const Node& node, const std::vector<Value>& inputs);
  void check_new_values(ValueId first) const;

  const Model& model_;
  std::string file_;
  Tape& tape_;
  ImportedWeights weights_;
  std::map<std::string, Value> values_;
  std::map<std::string, const Node*> producers_;
  std::set<std::string> read_;         // values that nodes read or the graph gives
  std::set<std::string> failed_;       // values that could not be recorded
  std::vector<std::string> problems_;  // what is wrong with nodes
  std::int64_t opset_ = 0;
  std::int64_t budget_ = 0;  // elements that folded results, and tables made for nodes, may still have
  bool baked_ = false;
};

}  // namespace safer::onnx

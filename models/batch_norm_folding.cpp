#include "models/batch_norm_folding.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "engine/ops/norm.h"

namespace safer {
namespace {

/// A layer and the batch norm behind it, as nodes of the old tape.
struct Fold {
  ValueId layer = no_value, weight = no_value, bias = no_value;  // bias: no_value where there is none
  BatchNormNode norm;
};

class Folding {
 public:
  explicit Folding(const Network& network) : old_(network), folds_(static_cast<std::size_t>(network.tape.size())) {
    readers_.resize(folds_.size());
    for (const Node& node : network.tape.nodes())
      for (const ValueId input : node.inputs) ++readers_[static_cast<std::size_t>(input)];
    ++readers_[static_cast<std::size_t>(network.logits)];
    for (ValueId id = 0; id < network.tape.size(); ++id)
      if (const auto fold = find(id)) folds_[static_cast<std::size_t>(fold->layer)] = folds_[static_cast<std::size_t>(id)] = fold;
  }

  Network run() {
    Network folded{.name = old_.name, .metadata = old_.metadata, .pixels = old_.pixels};
    record(folded.tape);
    folded.input = map_[static_cast<std::size_t>(old_.input)].id();
    folded.logits = map_[static_cast<std::size_t>(old_.logits)].id();
    folded.parameters = Parameters(folded.tape.parameters(), old_.parameters.type());
    for (int id = 0; id < folded.parameters.size(); ++id)
      if (const int from = old_.tape.parameters()->find(folded.parameters.spec(id).name); from >= 0)
        folded.parameters.set(id, old_.parameters[from]);
    for (ValueId id = 0; id < old_.tape.size(); ++id)
      if (const auto& fold = folds_[static_cast<std::size_t>(id)]; fold && fold->layer == id) fill(folded.parameters, *fold);
    return folded;
  }

 private:
  const Node& node(ValueId id) const { return old_.tape.node(id); }
  bool read_once(ValueId id) const { return readers_[static_cast<std::size_t>(id)] == 1; }
  bool is_own_parameter(ValueId id) const { return id == no_value || (node(id).parameter >= 0 && read_once(id)); }
  const ParameterSpec& spec(ValueId parameter) const { return (*old_.tape.parameters())[node(parameter).parameter]; }

  std::optional<Fold> find(ValueId id) const {
    const std::optional<BatchNormNode> norm = as_batch_norm(node(id));
    if (!norm || !read_once(norm->x)) return std::nullopt;
    const Node& layer = node(norm->x);
    const bool linear = layer.op && layer.op->name() == "linear" && layer.type.shape.rank() == 2;
    if (!linear && !(layer.op && layer.op->name() == "conv2d")) return std::nullopt;
    const Fold fold{norm->x, layer.inputs[1], layer.inputs.size() > 2 ? layer.inputs[2] : no_value, *norm};
    for (const ValueId own : {fold.weight, fold.bias, norm->gamma, norm->beta, norm->mean, norm->variance})
      if (!is_own_parameter(own)) return std::nullopt;
    return fold;
  }
  bool is_folded_away(ValueId parameter) const {
    return std::ranges::any_of(folds_, [&](const std::optional<Fold>& fold) {
      return fold && (parameter == fold->norm.gamma || parameter == fold->norm.beta || parameter == fold->norm.mean ||
                      parameter == fold->norm.variance);
    });
  }

  void record(Tape& tape) {
    for (ValueId id = 0; id < old_.tape.size(); ++id) {
      const Node& from = node(id);
      const std::optional<Fold>& fold = folds_[static_cast<std::size_t>(id)];
      Var to;
      if (from.kind == Node::Kind::input)
        to = tape.input(from.name, from.type);
      else if (from.kind == Node::Kind::constant)
        to = tape.constant(from.name, from.constant);
      else if (from.kind == Node::Kind::parameter && !is_folded_away(id))
        to = tape.parameter((*old_.tape.parameters())[from.parameter]);
      else if (fold && fold->layer != id)
        to = map_[static_cast<std::size_t>(fold->layer)];
      else if (from.kind == Node::Kind::op)
        to = record_op(tape, from, fold);
      map_.push_back(to);
    }
  }
  Var record_op(Tape& tape, const Node& from, const std::optional<Fold>& fold) const {
    std::vector<Var> inputs;
    for (const ValueId input : from.inputs) inputs.push_back(map_[static_cast<std::size_t>(input)]);
    if (fold && fold->bias == no_value)
      inputs.push_back(tape.parameter({.name = bias_name(*fold), .shape = {channels(*fold)}, .role = Role::bias}));
    return tape.record(from.op, inputs, from.name);
  }

  std::string bias_name(const Fold& fold) const {
    if (fold.bias != no_value) return node(fold.bias).name;
    std::string name = node(fold.weight).name;
    constexpr std::string_view ending = "weight";
    if (name.ends_with(ending)) name.resize(name.size() - ending.size());
    return name + "bias";
  }
  std::int64_t channels(const Fold& fold) const { return node(fold.norm.mean).type.shape[0]; }
  /// Element i of a parameter, or what stands for one that was left out.
  double value(ValueId parameter, std::int64_t i, double without) const {
    if (parameter == no_value) return without;
    return double{old_.parameters[node(parameter).parameter].values<float>()[static_cast<std::size_t>(i)]};
  }

  void fill(Parameters& parameters, const Fold& fold) const {
    const int weight = parameters.id(node(fold.weight).name), bias = parameters.id(bias_name(fold));
    const Shape& shape = parameters[weight].shape();
    const int axis = spec(fold.weight).output_axis;
    const std::int64_t inner = shape.size(axis + 1, shape.rank());
    const BatchNormNode& norm = fold.norm;
    std::vector<double> scale;
    for (std::int64_t c = 0; c < channels(fold); ++c) {
      scale.push_back(value(norm.gamma, c, 1) / std::sqrt(value(norm.variance, c, 1) + norm.epsilon));
      const double shifted = scale.back() * (value(fold.bias, c, 0) - value(norm.mean, c, 0)) + value(norm.beta, c, 0);
      parameters.mutable_values<float>(bias)[static_cast<std::size_t>(c)] = static_cast<float>(shifted);
    }
    std::int64_t at = 0;
    for (float& w : parameters.mutable_values<float>(weight)) {
      w = static_cast<float>(double{w} * scale[static_cast<std::size_t>(at / inner % channels(fold))]);
      ++at;
    }
  }

  const Network& old_;
  std::vector<int> readers_;                // by node
  std::vector<std::optional<Fold>> folds_;  // by node: of its layer and of its norm
  std::vector<Var> map_;                    // old node to new value
};

}  // namespace

Network fold_batch_norms(const Network& network) { return Folding(network).run(); }

}  // namespace safer

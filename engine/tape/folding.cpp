#include "engine/tape/folding.h"

namespace safer {

FoldedLayer::FoldedLayer(const Tape& tape, const ForwardStep& step, DType type, std::span<const Tensor> constants)
    : op_(step.op), norm_(tape.node(step.norm).op.get()) {
  const Node& layer = tape.node(step.op);
  const Shape& weight = tape.node(layer.inputs[1]).type.shape;
  channel_axis_ = layer.op->output_channels()->weight_axis;
  has_bias_ = layer.inputs.size() > 2;
  const std::int64_t channels = weight[channel_axis_];
  weight_ = Tensor(type, weight);
  bias_ = Tensor(type, Shape{channels});
  scale_.resize(static_cast<std::size_t>(channels));
  shift_.resize(static_cast<std::size_t>(channels));
  for (const ValueId node : {step.op, step.norm})
    for (std::size_t i = 1; i < tape.node(node).inputs.size(); ++i) {
      const ValueId input = tape.node(node).inputs[i];
      const bool constant = tape.node(input).kind == Node::Kind::constant;
      sources_.push_back({tape.node(input).parameter, constant ? &constants[static_cast<std::size_t>(input)] : nullptr});
    }
  norm_inputs_.resize(tape.node(step.norm).inputs.size() - 1);
}

void FoldedLayer::update(std::span<const Tensor* const> parameters) {
  bool changed = !folded_;
  for (Source& source : sources_) {
    if (source.parameter >= 0) source.tensor = parameters[static_cast<std::size_t>(source.parameter)];
    changed = changed || source.version != source.tensor->version();
    source.version = source.tensor->version();
  }
  if (!changed) return;
  const std::size_t own = sources_.size() - norm_inputs_.size();
  for (std::size_t i = 0; i < norm_inputs_.size(); ++i) norm_inputs_[i] = sources_[own + i].tensor;
  norm_->channel_scales(norm_inputs_, scale_, shift_);
  if (weight_.type() == DType::f32)
    fold<float>();
  else
    fold<double>();
  folded_ = true;
}

template <class T>
void FoldedLayer::fold() {
  const Shape& shape = weight_.shape();
  const std::size_t channels = scale_.size(), inner = static_cast<std::size_t>(shape.size(channel_axis_ + 1, shape.rank()));
  const std::span<const T> from = sources_[0].tensor->values<T>();
  const std::span<T> to = weight_.mutable_values<T>(), bias = bias_.mutable_values<T>();
  for (std::size_t first = 0, row = 0; first < to.size(); first += inner, ++row) {
    const double scale = scale_[row % channels];
    for (std::size_t i = first; i < first + inner; ++i) to[i] = static_cast<T>(scale * double{from[i]});
  }
  for (std::size_t c = 0; c < channels; ++c) {
    const double own = has_bias_ ? double{sources_[1].tensor->values<T>()[c]} : 0;
    bias[c] = static_cast<T>(scale_[c] * own + shift_[c]);
  }
}

}  // namespace safer

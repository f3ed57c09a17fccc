#include "models/onnx/import.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "engine/error.h"
#include "models/batch_norm_folding.h"
#include "models/evaluation.h"
#include "models/formats/file.h"
#include "models/formats/safetensors.h"
#include "tests/models/onnx/graph_builder.h"

using namespace safer;
using namespace safer::test;

namespace {

const std::filesystem::path folder = std::filesystem::path(SAFER_SOURCE_DIR) / "tests/models/onnx";

Tensor tensor(const Safetensors& file, std::string_view name) {
  return std::ranges::find(file.tensors, name, &NamedTensor::name)->value;
}

double largest(std::span<const float> values) {
  double most = 0;
  for (const float value : values) most = std::max(most, std::abs(double{value}));
  return most;
}

/// Outputs within rounding of PyTorch's.
void check_outputs(const Network& network, const std::string& name) {
  const Safetensors golden = read_safetensors(folder / (name + ".safetensors"));
  const Tensor found = predict(network, tensor(golden, "x")), wanted = tensor(golden, "y");
  REQUIRE(found.shape() == wanted.shape());
  const auto y = found.values<float>(), expected = wanted.values<float>();
  for (std::size_t i = 0; i < y.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(double{y[i]} - expected[i]) <= 2e-6 * largest(expected));
  }
}

std::vector<std::string> layer_names(const Network& network) {
  std::vector<std::string> names;
  for (const Layer& layer : network.tape.layers()) names.push_back(layer.name);
  return names;
}

std::multiset<std::string> ops(const Network& network) {
  std::multiset<std::string> names;
  for (const Node& node : network.tape.nodes())
    if (node.op) names.emplace(node.op->name());
  return names;
}

Network imported(const onnx::Model& model) { return onnx::import_network(model, "net.onnx"); }

/// What the network gives for samples [n, ...].
std::vector<float> outputs(const onnx::Model& model, const Tensor& x) {
  const Tensor y = predict(imported(model), x);
  return {y.values<float>().begin(), y.values<float>().end()};
}

}  // namespace

TEST_CASE("onnx: a convolutional network exported for one sample") {
  const Network network = load_onnx(folder / "conv_net.onnx");
  CHECK(network.sample_shape() == Shape{1, 3, 16, 16});
  CHECK(layer_names(network) ==
        std::vector<std::string>{"stem.weight", "depthwise.weight", "squeeze.weight", "excite.weight", "head.weight"});
  CHECK(ops(network).count("batch_norm") == 1);
  check_outputs(network, "conv_net");
  const Network folded = fold_batch_norms(network);
  CHECK(ops(folded).count("batch_norm") == 0);
  check_outputs(folded, "conv_net");
}

TEST_CASE("onnx: a vision transformer with a free batch, its norms, activations and attention recognised") {
  const Network network = load_onnx(folder / "vit.onnx");
  check_outputs(network, "vit");
  CHECK(layer_names(network) ==
        std::vector<std::string>{"patches.weight", "qkv.weight", "proj.weight", "fc1.weight", "fc2.weight", "head.weight"});
  const auto found = ops(network);
  CHECK(found.count("layer_norm") == 2);
  CHECK(found.count("attention") == 1);
  CHECK(found.count("gelu") == 1);
  for (const char* gone : {"softmax", "matmul", "erf", "sqrt", "mean"}) CHECK(found.count(gone) == 0);
}

TEST_CASE("onnx: timm's vision transformer") {
  const Network network = load_onnx(folder / "timm_vit.onnx");
  check_outputs(network, "timm_vit");
  CHECK(layer_names(network) == std::vector<std::string>{"patch_embed.proj.weight", "blocks.0.attn.qkv.weight",
                                                         "blocks.0.attn.proj.weight", "blocks.0.mlp.fc1.weight",
                                                         "blocks.0.mlp.fc2.weight", "head.weight"});
  const auto found = ops(network);
  CHECK(found.count("layer_norm") == 3);
  CHECK(found.count("attention") == 1);
  CHECK(found.count("gelu_tanh") == 1);
  for (const char* gone : {"softmax", "matmul", "tanh", "sqrt", "mean"}) CHECK(found.count(gone) == 0);
}

TEST_CASE("onnx: windows that multiply the batch, and a batch between the rows of a matrix") {
  check_outputs(load_onnx(folder / "windows.onnx"), "windows");
}

TEST_CASE("onnx: quantized weights, data in another file, and a softmax left off") {
  const Network network = load_onnx(folder / "quantized.onnx");
  check_outputs(network, "quantized");
  CHECK(layer_names(network) == std::vector<std::string>{"fc.weight"});
}

TEST_CASE("onnx: quantized activations") {
  const Network runtime = load_onnx(folder / "qdq.onnx");
  check_outputs(runtime, "qdq");
  CHECK(layer_names(runtime) == std::vector<std::string>{"conv.weight_quantized", "fc.weight_quantized"});
  CHECK(ops(runtime).count("fake_quantize") == 3);
  const Network trained = load_onnx(folder / "fake_quantized.onnx");
  check_outputs(trained, "fake_quantized");
  CHECK(layer_names(trained) == std::vector<std::string>{"conv.weight", "fc.weight"});
  CHECK(ops(trained).count("fake_quantize") == 4);  // 7 bits are 8, limited
}

TEST_CASE("onnx: whole numbers that are not quantized and back") {
  const std::map<std::string, Tensor> constants = {{"s", floats({}, {0.5f})},
                                                   {"t", floats({}, {0.25f})},
                                                   {"w", floats({2, 2}, {1, 2, 3, 4})},
                                                   {"wide", Tensor::of<std::int32_t>({}, std::vector<std::int32_t>{0})},
                                                   {"three", floats({3}, {1, 2, 3})}};
  const auto refuse = [&](std::vector<onnx::Node> nodes, const std::string& message) {
    CHECK_THROWS_WITH_AS(imported(model({-1, 2}, std::move(nodes), constants)), message.c_str(), Error);
  };
  const onnx::Node quantized = node("QuantizeLinear", {"x", "s"}, "q");
  refuse(
      {quantized, node("MatMul", {"q", "w"}, "y")},
      "net.onnx: 1 node cannot be imported: node \"make y\" (MatMul): input 0 is quantized; only DequantizeLinear, or Clip before "
      "it, can read it");
  refuse(
      {quantized, node("DequantizeLinear", {"q", "t"}, "y")},
      "net.onnx: 1 node cannot be imported: node \"make y\" (DequantizeLinear): scale, zero point or axis differ from those of the "
      "QuantizeLinear before it");
  refuse({node("QuantizeLinear", {"x", "s"}, "y")}, "net.onnx: the output is quantized, expected floats");
  refuse(
      {node("DequantizeLinear", {"x", "s"}, "y")},
      "net.onnx: 1 node cannot be imported: node \"make y\" (DequantizeLinear): its input is neither from a QuantizeLinear nor a "
      "constant that fits scale and zero point");
  refuse({node("QuantizeLinear", {"x", "s", "wide"}, "q"), node("DequantizeLinear", {"q", "s", "wide"}, "y")},
         "net.onnx: 1 node cannot be imported: node \"make q\" (QuantizeLinear): the zero point has neither of the types int8 and "
         "uint8");
  refuse({node("QuantizeLinear", {"x", "three"}, "q"), node("DequantizeLinear", {"q", "three"}, "y")},
         "net.onnx: 1 node cannot be imported: node \"make q\" (QuantizeLinear): node 'fake_quantize': fake_quantize: 3 scales for "
         "axis "
         "1 of [N, 2]");
}

TEST_CASE("onnx: constants are quantized as activations are") {
  const std::vector<float> values = {-200, -2.5f, -1.5f, 0.25f, 0.75f, 1.25f, 1000, 63.75f};
  for (const bool is_signed : {false, true}) {
    CAPTURE(is_signed);
    std::map<std::string, Tensor> constants = {{"s", floats({}, {0.5f})}, {"w", floats({1, 8}, values)}, {"one", floats({}, {1})}};
    constants["z"] = is_signed ? Tensor::of<std::int8_t>({}, std::vector<std::int8_t>{-3})
                               : Tensor::of<std::uint8_t>({}, std::vector<std::uint8_t>{100});
    const auto through = [&](const std::string& input) {
      return std::vector{node("QuantizeLinear", {input, "s", "z"}, "q"), node("DequantizeLinear", {"q", "s", "z"}, "d")};
    };
    std::vector<onnx::Node> constant = through("w"), computed = through("x");
    constant.push_back(node("Add", {"x", "d"}, "y"));
    computed.push_back(node("Add", {"d", "one"}, "y"));
    const std::vector<float> from_constant = outputs(model({-1, 8}, constant, constants), floats({1, 8}, std::vector<float>(8, 1)));
    CHECK(from_constant == outputs(model({-1, 8}, computed, constants), floats({1, 8}, values)));
    CHECK(from_constant == (is_signed ? std::vector<float>{-61.5f, -1.5f, -0.5f, 1, 2, 2, 66, 65}
                                      : std::vector<float>{-49, -1.5f, -0.5f, 1, 2, 2, 78.5f, 65}));
  }
}

TEST_CASE("onnx: networks from Keras, whose images have their channels last") {
  const Network mobilenet = load_onnx(folder / "keras_mobilenet.onnx");
  CHECK(mobilenet.sample_shape() == Shape{1, 3, 16, 16});
  CHECK(ops(mobilenet).count("transpose") == 0);
  CHECK(ops(mobilenet).count("relu6") == 3);
  CHECK(ops(mobilenet).count("softmax") == 0);
  CHECK(layer_names(mobilenet) == std::vector<std::string>{"StatefulPartitionedCall/keras_mobilenet/conv1/Conv2D.weight",
                                                           "conv_dw_1/depthwise/ReadVariableOp:0",
                                                           "StatefulPartitionedCall/keras_mobilenet/conv_pw_1/Conv2D.weight",
                                                           "StatefulPartitionedCall/keras_mobilenet/conv_preds/Conv2D.weight"});
  check_outputs(mobilenet, "keras_mobilenet");
  const Network resnet = load_onnx(folder / "keras_resnet.onnx");
  CHECK(resnet.sample_shape() == Shape{1, 3, 16, 16});
  CHECK(ops(resnet).count("batch_norm") == 3);
  check_outputs(resnet, "keras_resnet");
  check_outputs(fold_batch_norms(resnet), "keras_resnet");
  CHECK_THROWS_WITH_AS(predict(mobilenet, Tensor(DType::f32, {2, 16, 16, 3})),
                       doctest::Contains("expects [N, 3, 16, 16]; channels come first: array.transpose(0, 3, 1, 2)"), Error);
}

TEST_CASE("onnx: an input with a short last axis is no image unless its channels are moved first") {
  const std::map<std::string, Tensor> constants = {{"to", integers({-1, 60})}};
  const auto sample = [&](std::vector<onnx::Node> nodes) {
    return imported(model({-1, 4, 5, 3}, std::move(nodes), constants)).sample_shape();
  };
  const onnx::Node first = node("Transpose", {"x"}, "t", {attribute("perm", {0, 3, 1, 2})});
  CHECK(sample({first, node("Reshape", {"t", "to"}, "y")}) == Shape{1, 3, 4, 5});
  CHECK(sample({node("Reshape", {"x", "to"}, "y")}) == Shape{1, 4, 5, 3});
  CHECK(sample({first, node("Reshape", {"t", "to"}, "a"), node("Reshape", {"x", "to"}, "b"), node("Add", {"a", "b"}, "y")}) ==
        Shape{1, 4, 5, 3});
}

TEST_CASE("onnx: opsets that only ONNX Runtime could tell us about") {
  for (const char* name : {"opset18", "opset19", "opset20", "opset21"}) {
    CAPTURE(name);
    check_outputs(load_onnx(folder / (std::string(name) + ".onnx")), name);
  }
}

TEST_CASE("onnx: names that an exporter made up give way to the node's path") {
  const auto name_of = [](const std::string& weight, const std::string& node_name) {
    onnx::Node gemm = node("Gemm", {"x", weight}, "y");
    gemm.name = node_name;
    return layer_names(imported(model({-1, 2}, {gemm}, {{weight, floats({2, 2}, {1, 2, 3, 4})}}))).at(0);
  };
  CHECK(name_of("fc.weight", "/fc/Gemm") == "fc.weight");
  CHECK(name_of("onnx::MatMul_12", "/layer1/layer1.0/conv1/Conv") == "layer1.0.conv1.weight");
  CHECK(name_of("onnx::MatMul_12", "/features/features.1/block/block.0/block.0.0/Conv") == "features.1.block.0.0.weight");
  CHECK(name_of("17", "/Gemm") == "Gemm.weight");
  CHECK(name_of("const_fold_opt__3", "model/dense/MatMul") == "model/dense/MatMul.weight");
}

TEST_CASE("onnx: a tensor that an exporter kept once for several equal ones has each of their names") {
  const Network network = imported(model(
      {-1, 2},
      {node("Identity", {"a.weight"}, "b.weight"), node("MatMul", {"x", "a.weight"}, "h"), node("MatMul", {"h", "b.weight"}, "y")},
      {{"a.weight", floats({2, 2}, {1, 2, 3, 4})}}));
  CHECK(layer_names(network) == std::vector<std::string>{"a.weight", "b.weight"});
}

TEST_CASE("onnx: a dropout that drops something is refused") {
  const auto dropout = [](float ratio) {
    return model({-1, 2}, {node("Dropout", {"x", "ratio", "training"}, "y")},
                 {{"ratio", floats({}, {ratio})}, {"training", Tensor::of<std::uint8_t>({}, std::vector<std::uint8_t>{1})}});
  };
  CHECK(outputs(dropout(0), floats({1, 2}, {1, 2})) == std::vector<float>{1, 2});
  CHECK_THROWS_WITH_AS(
      imported(dropout(0.5f)),
      "net.onnx: 1 node cannot be imported: node \"make y\" (Dropout): it drops elements, expected a network exported "
      "for inference",
      Error);
}

TEST_CASE("onnx: a MatMul's weight is [in, out]") {
  const Network network = imported(model({-1, 2}, {node("MatMul", {"x", "w"}, "h"), node("Add", {"b", "h"}, "y")},
                                         {{"w", floats({2, 3}, {1, 2, 3, 4, 5, 6})}, {"b", floats({3}, {1, 0, -1})}}));
  CHECK(network.tape.layers().at(0).output_axis == 1);
  CHECK(ops(network) == std::multiset<std::string>{"linear"});
  const Tensor y = predict(network, floats({2, 2}, {1, 0, 0, 1}));
  CHECK(std::vector(y.values<float>().begin(), y.values<float>().end()) == std::vector<float>{2, 2, 2, 5, 5, 5});
}

TEST_CASE("onnx: shapes that are computed keep the batch open") {
  const std::vector<onnx::Node> nodes = {node("Shape", {"x"}, "s"),
                                         node("Gather", {"s", "zero"}, "n"),
                                         node("Mul", {"n", "two"}, "2n"),
                                         node("Unsqueeze", {"2n", "axes"}, "m"),
                                         node("Concat", {"m", "rest"}, "to", {attribute("axis", 0)}),
                                         node("Reshape", {"x", "to"}, "h"),
                                         node("Relu", {"h"}, "r"),
                                         node("Div", {"2n", "two"}, "half"),
                                         node("Unsqueeze", {"half", "axes"}, "k"),
                                         node("Concat", {"k", "rest"}, "back", {attribute("axis", 0)}),
                                         node("Reshape", {"r", "back"}, "y")};
  std::map<std::string, Tensor> constants = {{"zero", Tensor::of<std::int64_t>({}, std::vector<std::int64_t>{0})},
                                             {"two", Tensor::of<std::int64_t>({}, std::vector<std::int64_t>{2})},
                                             {"axes", integers({0})},
                                             {"rest", integers({-1})}};
  CHECK(outputs(model({-1, 4}, nodes, constants), floats({2, 4}, {1, -2, 3, -4, -5, 6, -7, 8})) ==
        std::vector<float>{1, 0, 3, 0, 0, 6, 0, 8});
}

TEST_CASE("onnx: what a shape says beside the batch is a constant") {
  const std::vector<onnx::Node> nodes = {node("Shape", {"x"}, "s"), node("Gather", {"s", "last"}, "n"),
                                         node("ConstantOfShape", {"n"}, "zeros"),
                                         node("ScatterND", {"zeros", "places", "values"}, "mask"), node("Add", {"x", "mask"}, "y")};
  const std::map<std::string, Tensor> constants = {{"last", integers({1})},
                                                   {"places", Tensor::of<std::int64_t>({2, 1}, std::vector<std::int64_t>{2, -4})},
                                                   {"values", floats({2}, {5, 7})}};
  CHECK(outputs(model({-1, 4}, nodes, constants), floats({1, 4}, {1, 2, 3, 4})) == std::vector<float>{8, 2, 8, 4});
}

TEST_CASE("onnx: sizes that were written for one sample are made free") {
  const std::vector<float> all = {1, 2, 3, 4, 5, 6, 7, 8};
  for (const std::int64_t batch : {1, -1})
    CHECK(outputs(model({batch, 2, 2}, {node("Reshape", {"x", "to"}, "y")}, {{"to", integers({1, 4})}}), floats({2, 2, 2}, all)) ==
          all);
  // Rows before the batch: [2, N, 2] as a matrix [2 N, 2] and back.
  const std::vector<onnx::Node> nodes = {node("Transpose", {"x"}, "t", {attribute("perm", {1, 0, 2})}),
                                         node("Reshape", {"t", "matrix"}, "m"),
                                         node("MatMul", {"m", "w"}, "p"),
                                         node("Reshape", {"p", "three"}, "r"),
                                         node("Transpose", {"r"}, "b", {attribute("perm", {1, 0, 2})}),
                                         node("Reshape", {"b", "flat"}, "y")};
  const std::map<std::string, Tensor> constants = {{"matrix", integers({2, 2})},
                                                   {"three", integers({2, 1, 2})},
                                                   {"flat", integers({1, 4})},
                                                   {"w", floats({2, 2}, {0, 1, 1, 0})}};
  CHECK(outputs(model({1, 2, 2}, nodes, constants), floats({2, 2, 2}, all)) == std::vector<float>{2, 1, 4, 3, 6, 5, 8, 7});
}

TEST_CASE("onnx: activations written as several nodes are one") {
  const std::map<std::string, Tensor> constants = {{"3", floats({}, {3})},
                                                   {"0", floats({}, {0})},
                                                   {"6", floats({}, {6})},
                                                   {"half", floats({}, {0.5f})},
                                                   {"1", floats({}, {1})},
                                                   {"root", floats({}, {1.41421356f})},
                                                   {"sixth", floats({}, {1.0f / 6})},
                                                   {"kappa", floats({}, {0.044715f})},
                                                   {"beta", floats({}, {0.79788456f})}};
  const auto recorded = [&](std::vector<onnx::Node> nodes) { return ops(imported(model({-1, 4}, std::move(nodes), constants))); };
  using Ops = std::multiset<std::string>;
  CHECK(recorded({node("Sigmoid", {"x"}, "s"), node("Mul", {"x", "s"}, "y")}) == Ops{"silu"});
  CHECK(recorded({node("HardSigmoid", {"x"}, "s", {{.name = "alpha", .number = 1.0f / 6}}), node("Mul", {"s", "x"}, "y")}) ==
        Ops{"hard_swish"});
  CHECK(recorded({node("Add", {"x", "3"}, "a"), node("Clip", {"a", "0", "6"}, "c"), node("Mul", {"x", "c"}, "m"),
                  node("Div", {"m", "6"}, "y")}) == Ops{"hard_swish"});
  CHECK(recorded({node("Add", {"x", "3"}, "a"), node("Clip", {"a", "0", "6"}, "c"), node("Mul", {"c", "sixth"}, "m"),
                  node("Mul", {"x", "m"}, "y")}) == Ops{"hard_swish"});
  CHECK(recorded({node("Div", {"x", "root"}, "d"), node("Erf", {"d"}, "e"), node("Add", {"e", "1"}, "a"),
                  node("Mul", {"x", "a"}, "m"), node("Mul", {"m", "half"}, "y")}) == Ops{"gelu"});
  CHECK(recorded({node("Div", {"x", "root"}, "d"), node("Erf", {"d"}, "e"), node("Add", {"e", "1"}, "a"),
                  node("Mul", {"a", "half"}, "m"), node("Mul", {"x", "m"}, "y")}) == Ops{"gelu"});
  CHECK(recorded({node("Softplus", {"x"}, "s"), node("Tanh", {"s"}, "t"), node("Mul", {"x", "t"}, "y")}) == Ops{"mish"});
  const auto tanh_form = [](const std::string& cube_of) {
    return std::vector{node("Pow", {cube_of, "3"}, "c"), node("Mul", {"c", "kappa"}, "k"), node("Add", {"x", "k"}, "i"),
                       node("Mul", {"i", "beta"}, "b"),  node("Tanh", {"b"}, "t"),         node("Add", {"t", "1"}, "a"),
                       node("Mul", {"x", "half"}, "h"),  node("Mul", {"h", "a"}, "y")};
  };
  CHECK(recorded(tanh_form("x")) == Ops{"gelu_tanh"});
  CHECK(recorded(tanh_form("half")).count("tanh") == 1);
  // Another number makes it something else.
  CHECK(recorded({node("Div", {"x", "3"}, "d"), node("Erf", {"d"}, "e"), node("Add", {"e", "1"}, "a"), node("Mul", {"x", "a"}, "m"),
                  node("Mul", {"m", "half"}, "y")})
            .count("erf") == 1);
}

TEST_CASE("onnx: powers that are not whole") {
  const std::map<std::string, Tensor> constants = {{"p", floats({}, {2.5f})}};
  const std::vector<float> y = outputs(model({-1, 3}, {node("Pow", {"x", "p"}, "y")}, constants), floats({1, 3}, {0.25f, 1, 9}));
  const double expected[] = {0.03125, 1, 243};
  for (std::size_t i = 0; i < 3; ++i) CHECK(y[i] == doctest::Approx(expected[i]).epsilon(1e-6));
}

TEST_CASE("onnx: one message names all nodes that cannot be imported") {
  onnx::Node fused = node("FusedConv", {"x"}, "b");
  fused.domain = "com.microsoft";
  CHECK_THROWS_WITH_AS(
      imported(model({-1, 4}, {node("LSTM", {"x"}, "a"), fused, node("Add", {"a", "b"}, "c"), node("Loop", {"c"}, "d"),
                               node("Reshape", {"x", "d"}, "y")})),
      "net.onnx: 3 nodes cannot be imported: node \"make a\" (LSTM): the operator is not supported; node \"make b\" "
      "(com.microsoft.FusedConv): the operator is not supported; node \"make d\" (Loop): the operator is not supported",
      Error);
}

TEST_CASE("onnx: tables that would be far larger than the file are refused") {
  const onnx::Attribute edge{.name = "mode", .text = "edge"};
  const auto refuse = [](std::vector<onnx::Node> nodes, std::map<std::string, Tensor> constants, const std::string& message) {
    CHECK_THROWS_WITH_AS(imported(model({-1, 4}, std::move(nodes), std::move(constants))), message.c_str(), Error);
  };
  refuse(
      {node("Pad", {"x", "pads"}, "y", {edge})}, {{"pads", integers({0, 0, 0, 1 << 30})}},
      "net.onnx: 1 node cannot be imported: node \"make y\" (Pad): it needs a table of 1073741828 numbers, far more than the file "
      "holds");
  std::vector<onnx::Node> many;  // each a hundred thousand longer than the one before
  for (int i = 0; i < 9; ++i)
    many.push_back(node("Pad", {i == 0 ? "x" : fmt::format("h{}", i), "pads"}, i == 8 ? "y" : fmt::format("h{}", i + 1), {edge}));
  refuse(many, {{"pads", integers({0, 50000, 0, 50000})}},
         "net.onnx: 1 node cannot be imported: node \"make y\" (Pad): it needs a table of 900004 numbers, far more than the file "
         "holds");
}

TEST_CASE("onnx: what fuzzing found is imported, or refused in one line") {
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(SAFER_SOURCE_DIR) / "tests/fuzz/corpus/onnx")) {
    INFO(entry.path().filename().string());
    try {
      onnx::import_network(onnx::parse_model(read_file(entry.path()), "x", "."), "x");
    } catch (const Error& error) {
      const std::string_view message = error.what();
      CHECK_MESSAGE((message.starts_with("x: ") && message.find('\n') == message.npos), message);
    }
    ++files;
  }
  CHECK(files > 100);
}

TEST_CASE("onnx: errors") {
  const auto refuse = [](const onnx::Model& wrong, const std::string& message) {
    CHECK_THROWS_WITH_AS(imported(wrong), message.c_str(), Error);
  };
  const std::vector<onnx::Node> relu = {node("Relu", {"x"}, "y")};
  refuse(model({-1, 4}, relu, {}, 6), "net.onnx: opset 6, expected 7 to 21; export the network with one of these");
  refuse(model({8, 4}, relu),
         "net.onnx: input \"x\": the batch of [8, 4] is fixed to 8 samples; export the network with a free batch axis, or for 1 "
         "sample");
  refuse(model({-1, 3, -1}, relu),
         "net.onnx: input \"x\": axis 2 of [batch, 3, batch] is free, expected all sizes but that of the batch");
  refuse(model({-1, 3, 2}, relu), "net.onnx: the output is [N, 3, 2], expected [N, classes]");
  refuse(model({-1, 4}, {node("Relu", {"z"}, "y")}),
         "net.onnx: 1 node cannot be imported: node \"make y\" (Relu): input \"z\" is computed by no node before it");
  refuse(model({-1, 4}, {node("Relu", {"b"}, "a"), node("Relu", {"a"}, "b"), node("Add", {"x", "b"}, "y")}),
         "net.onnx: 1 node cannot be imported: node \"make a\" (Relu): input \"b\" is computed by no node before it");
  refuse(model({-1, 4}, {node("Relu", {"x"}, "y"), node("Abs", {"x"}, "y")}),
         "net.onnx: node \"make y\" (Abs): value \"y\" is computed twice");
  refuse(model({-1, 4}, {node("Relu", {"x"}, "z")}), "net.onnx: output \"y\" is computed by no node");
  refuse(model({-1, 4}, {node("ConstantOfShape", {"s"}, "c"), node("Add", {"x", "c"}, "y")}, {{"s", integers({1 << 30, 1 << 20})}}),
         "net.onnx: 1 node cannot be imported: node \"make c\" (ConstantOfShape): a result of shape [1073741824, 1048576] has more "
         "than "
         "2147483648 elements a sample");
  onnx::Model two = model({-1, 4}, relu);
  two.graph.inputs.push_back(value("z", {-1, 2}));
  refuse(two, "net.onnx: 2 inputs (\"x\", \"z\"), expected one");
  onnx::Model indices = model({-1, 4}, relu);
  indices.graph.inputs[0].type = onnx::ElementType::int64;
  refuse(indices, "net.onnx: input \"x\": elements are int64, expected float");
}

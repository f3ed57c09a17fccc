#include "models/image_networks.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "engine/error.h"
#include "models/initialization.h"
#include "models/vit.h"
#include "tests/temporary_folder.h"

using namespace safer;

namespace {

std::int64_t count(const ParameterTable& table, auto chosen) {
  std::int64_t elements = 0;
  for (int id = 0; id < table.size(); ++id)
    if (chosen(table[id].role)) elements += table[id].shape.size();
  return elements;
}

const ImageNetwork& find(std::string_view name, std::string_view origin) {
  for (const ImageNetwork& network : image_networks())
    if (network.name == name && network.origin.starts_with(origin)) return network;
  throw Error("no network is called '{}'", name);
}

Safetensors weights_of(const Network& network) {
  Parameters parameters(network.tape.parameters());
  initialize(parameters, Initialization::he_normal, 3);
  Safetensors file;
  for (int id = 0; id < parameters.size(); ++id) file.tensors.push_back({parameters.spec(id).name, parameters[id]});
  return file;
}

}  // namespace

TEST_CASE("image networks: sizes are those that their authors publish") {
  struct Sizes {
    std::string_view name, origin;
    std::int64_t classes, parameters;
    std::size_t layers;  // weights of convolutions and linear layers; fused projections count as three
  };
  const std::vector<Sizes> expected = {{"resnet8", "mlcommons", 10, 78186, 10},
                                       {"resnet20", "akamaster", 10, 269722, 20},
                                       {"resnet32", "akamaster", 10, 464154, 32},
                                       {"resnet44", "akamaster", 10, 658586, 44},
                                       {"resnet56", "akamaster", 10, 853018, 56},
                                       {"resnet18", "torchvision", 1000, 11689512, 21},
                                       {"resnet34", "torchvision", 1000, 21797672, 37},
                                       {"resnet50", "torchvision", 1000, 25557032, 54},
                                       {"squeezenet1_1", "torchvision", 1000, 1235496, 26},
                                       {"mobilenet_v1_075", "Keras", 1000, 2585560, 28},
                                       {"mobilenet_v2", "TensorFlow", 1000, 3487816, 53},
                                       {"mobilenet_v2", "torchvision", 1000, 3504872, 53},
                                       {"vit_tiny", "timm", 1000, 5717416, 1 + 12 * 6 + 1},
                                       {"vit_b_16", "torchvision", 1000, 86567656, 1 + 12 * 6 + 1},
                                       {"vit_b_16", "timm", 1000, 86567656, 1 + 12 * 6 + 1}};
  CHECK(expected.size() == image_networks().size());
  for (const Sizes& sizes : expected) {
    const ImageNetwork& described = find(sizes.name, sizes.origin);
    const Network network = record_image_network(described);
    INFO(sizes.name, " of ", sizes.origin);
    CHECK(network.name == sizes.name);
    CHECK(network.pixels == described.pixels);
    CHECK(network.sample_shape() == Shape{1, 3, described.size, described.size});
    CHECK(network.tape.node(network.logits).type == ValueType{{1, sizes.classes}, 0, DType::f32});
    CHECK(network.classes() == sizes.classes);
    CHECK(count(*network.tape.parameters(), [](Role role) { return role != Role::buffer; }) == sizes.parameters);
    CHECK(network.tape.layers().size() == sizes.layers);
  }
}

TEST_CASE("image networks: parameters are called as in the files of those who trained them") {
  const std::map<std::string_view, std::vector<std::string>> names = {
      {"resnet8", {"stem.conv.bias", "stack1.conv2.weight", "stack2.shortcut.weight", "stack3.bn2.running_var", "fc.weight"}},
      {"resnet20", {"conv1.weight", "layer1.2.bn2.running_mean", "layer3.0.conv1.weight", "linear.bias"}},
      {"resnet18",
       {"bn1.weight", "layer1.1.conv2.weight", "layer2.0.downsample.0.weight", "layer4.0.downsample.1.bias", "fc.bias"}},
      {"resnet50", {"layer1.0.downsample.0.weight", "layer3.5.bn3.running_var", "layer4.2.conv3.weight"}},
      {"squeezenet1_1", {"features.0.bias", "features.12.expand3x3.weight", "classifier.1.weight"}},
      {"mobilenet_v1_075", {"conv1_bn.weight", "conv_dw_13.weight", "conv_pw_1_bn.running_mean", "conv_preds.bias"}},
      {"mobilenet_v2", {"conv_first.weight", "block0.project.bias", "block16.expand.weight", "classifier.weight"}},
      {"vit_tiny", {"cls_token", "pos_embed", "patch_embed.proj.bias", "blocks.11.attn.qkv.weight", "blocks.0.mlp.fc2.weight"}},
      {"vit_b_16",
       {"class_token", "encoder.pos_embedding", "encoder.layers.encoder_layer_11.self_attention.in_proj_weight",
        "encoder.layers.encoder_layer_0.mlp.3.bias", "heads.head.weight"}},
  };
  for (const auto& some : names) {
    const Network network = record_image_network(find(some.first, ""));
    for (const std::string& parameter : some.second) {
      INFO(some.first, " ", parameter);
      CHECK(network.tape.parameters()->find(parameter) >= 0);
    }
  }
  const Network torchvision = record_image_network(find("mobilenet_v2", "torchvision"));
  for (const char* parameter : {"features.0.0.weight", "features.1.conv.0.0.weight", "features.1.conv.1.weight",
                                "features.1.conv.2.running_var", "features.2.conv.1.1.bias", "features.2.conv.3.weight",
                                "features.17.conv.2.weight", "features.18.1.weight", "classifier.1.bias"}) {
    INFO(parameter);
    CHECK(torchvision.tape.parameters()->find(parameter) >= 0);
  }
}

TEST_CASE("image networks: queries, keys and values are layers of their own") {
  const Network network = record_image_network(find("vit_tiny", "timm"));
  const std::vector<Layer> layers = network.tape.layers();
  CHECK(layers[0].name == "patch_embed.proj.weight");
  const char* const names[] = {"blocks.0.attn.q.weight", "blocks.0.attn.k.weight", "blocks.0.attn.v.weight"};
  for (std::size_t i = 0; i < 3; ++i) {
    const Layer& layer = layers[1 + i];
    CHECK(layer.name == names[i]);
    CHECK((*network.tape.parameters())[layer.parameter].name == "blocks.0.attn.qkv.weight");
    CHECK(layer.outputs == Range{static_cast<std::int64_t>(192 * i), static_cast<std::int64_t>(192 * (i + 1))});
  }
  CHECK(layers[4].name == "blocks.0.attn.proj.weight");
  const Network torchvision = record_image_network(find("vit_b_16", "torchvision"));
  CHECK(torchvision.tape.layers()[3].name == "encoder.layers.encoder_layer_0.self_attention.v_proj_weight");
}

TEST_CASE("image networks: a file decides which of two layouts of a network it is for") {
  for (const std::string_view origin : {"TensorFlow", "torchvision"}) {
    const ImageNetwork& described = find("mobilenet_v2", origin);
    const Safetensors file = weights_of(record_image_network(described));
    const Network loaded = load_image_network("mobilenet_v2", file, "file");
    CHECK(loaded.pixels == described.pixels);
    CHECK(loaded.parameters.size() == static_cast<int>(file.tensors.size()));
    const NamedTensor& last = file.tensors.back();
    CHECK(std::ranges::equal(loaded.parameters[last.name].values<float>(), last.value.values<float>()));
  }
}

TEST_CASE("image networks: counters beside batch norms are passed over, anything else must fit") {
  Safetensors file = weights_of(record_image_network(find("resnet8", "")));
  file.tensors.push_back({"stem.bn.num_batches_tracked", Tensor(DType::i64, Shape{})});
  CHECK_NOTHROW(load_image_network("resnet8", file, "file"));
  file.tensors.push_back({"stem.bn.extra", Tensor(DType::f32, {16})});
  CHECK_THROWS_WITH_AS(
      load_image_network("resnet8", file, "file"),
      doctest::Contains("file: the tensors do not fit the network's 48 parameters: 1 unexpected (\"stem.bn.extra\")"), Error);
  CHECK_THROWS_WITH_AS(load_image_network("resnet9", file, "file"), "there is no built-in network of images called 'resnet9'",
                       Error);
}

TEST_CASE("vit: refuses images that are not whole patches") {
  Tape tape;
  const Var x = tape.input("x", {3, 30, 32});
  CHECK_THROWS_WITH_AS(vit(x), "vit: images [1, 3, 30, 32] do not consist of whole patches of 16 x 16", Error);
}

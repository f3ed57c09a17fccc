#include "models/image_networks.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

#include "engine/error.h"
#include "models/cifar_resnet.h"
#include "models/mobilenet_v1.h"
#include "models/mobilenet_v2.h"
#include "models/resnet.h"
#include "models/resnet8.h"
#include "models/squeezenet.h"
#include "models/vit.h"

namespace safer {
namespace {

constexpr std::string_view akamaster = "akamaster/pytorch_resnet_cifar10", torchvision = "torchvision", timm = "timm";

constexpr ImageNetwork networks[] = {
    {"resnet8", 32, raw_pixels, [](Var x) { return resnet8(x); }, "mlcommons/tiny (pretrainedResnet.h5)"},
    {"resnet20", 32, imagenet_pixels, [](Var x) { return cifar_resnet(x, 3); }, akamaster},
    {"resnet32", 32, imagenet_pixels, [](Var x) { return cifar_resnet(x, 5); }, akamaster},
    {"resnet44", 32, imagenet_pixels, [](Var x) { return cifar_resnet(x, 7); }, akamaster},
    {"resnet56", 32, imagenet_pixels, [](Var x) { return cifar_resnet(x, 9); }, akamaster},
    {"resnet18", 224, imagenet_pixels, resnet18, torchvision},
    {"resnet34", 224, imagenet_pixels, resnet34, torchvision},
    {"resnet50", 224, imagenet_pixels, resnet50, torchvision},
    {"squeezenet1_1", 224, imagenet_pixels, squeezenet1_1, torchvision},
    {"mobilenet_v1_075", 224, symmetric_pixels, mobilenet_v1_075, "Keras (mobilenet_7_5_224)"},
    {"mobilenet_v2", 224, symmetric_pixels, mobilenet_v2_folded, "TensorFlow, batch norms folded"},
    {"mobilenet_v2", 224, imagenet_pixels, mobilenet_v2, torchvision},
    {"vit_tiny", 224, symmetric_pixels, vit_tiny, "timm (vit_tiny_patch16_224)"},
    {"vit_b_16", 224, imagenet_pixels, [](Var x) { return vit_b_16(x, VitNames::torchvision); }, torchvision},
    {"vit_b_16", 224, symmetric_pixels, [](Var x) { return vit_b_16(x, VitNames::timm); }, timm},
};

/// How many of the network's parameters `names` contains.
std::ptrdiff_t found_in(const std::unordered_set<std::string_view>& names, const Network& network) {
  const ParameterTable& table = *network.tape.parameters();
  std::ptrdiff_t found = 0;
  for (int id = 0; id < table.size(); ++id) found += names.contains(table[id].name);
  return found;
}

}  // namespace

std::span<const ImageNetwork> image_networks() { return networks; }

Network record_image_network(const ImageNetwork& described) {
  Network network{.name = std::string(described.name), .pixels = described.pixels};
  const Var x = network.tape.input("x", {3, described.size, described.size});
  network.input = x.id();
  network.logits = described.record(x).id();
  return network;
}

Network load_image_network(std::string_view name, Safetensors file, std::string_view file_name) {
  std::erase_if(file.tensors, [](const NamedTensor& tensor) { return tensor.name.ends_with(".num_batches_tracked"); });
  std::unordered_set<std::string_view> names;
  for (const NamedTensor& tensor : file.tensors) names.insert(tensor.name);
  std::optional<Network> best;
  for (const ImageNetwork& described : networks) {
    if (described.name != name) continue;
    Network candidate = record_image_network(described);
    if (!best || found_in(names, candidate) > found_in(names, *best)) best = std::move(candidate);
  }
  if (!best) throw Error("there is no built-in network of images called '{}'", name);
  best->parameters = Parameters(best->tape.parameters());
  load_parameters(file, file_name, best->parameters);
  return *std::move(best);
}

}  // namespace safer

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/error.h"
#include "models/data/data_spec.h"
#include "models/data/image_folder.h"
#include "models/evaluation.h"
#include "models/formats/safetensors.h"
#include "models/model_spec.h"
#include "tests/shared_data.h"
#include "tests/temporary_folder.h"

// Networks that others trained, against the logits that PyTorch gives for them.

using namespace safer;

namespace {

struct Pretrained {
  std::string_view model, file;
  std::int64_t parameters;  // without running statistics, as the data's README counts them
};
constexpr Pretrained cifar_networks[] = {{"resnet8", "cifar10_resnet8_mlperf_tiny", 78186},
                                         {"resnet20", "cifar10_resnet20", 269722},
                                         {"resnet32", "cifar10_resnet32", 464154},
                                         {"resnet44", "cifar10_resnet44", 658586},
                                         {"resnet56", "cifar10_resnet56", 853018}};
constexpr Pretrained imagenet_networks[] = {{"squeezenet1_1", "imagenet_squeezenet1_1", 1235496},
                                            {"mobilenet_v1_075", "imagenet_mobilenet_v1_075", 2585560},
                                            {"mobilenet_v2", "imagenet_mobilenet_v2_tf", 3487816},
                                            {"vit_tiny", "imagenet_vit_tiny_patch16_224", 5717416}};

// How many of the reference's images are compared.
#ifdef SAFER_SANITIZED
constexpr std::int64_t small_images = 2, photos = 1;
#else
constexpr std::int64_t small_images = 32, photos = 8;
#endif

const Tensor& find(const Safetensors& file, const std::string& name) {
  for (const NamedTensor& tensor : file.tensors)
    if (tensor.name == name) return tensor.value;
  throw Error("no tensor is called '{}'", name);
}

/// The first n along the leading axis.
Tensor first(std::int64_t n, const Tensor& all) {
  Dataset data;
  data.inputs = all;
  return data.slice(0, n).inputs;
}

/// The largest difference relative to the largest expected number.
double difference(const Tensor& found, const Tensor& expected) {
  REQUIRE(found.shape() == expected.shape());
  double off = 0, largest = 0;
  for (std::int64_t i = 0; i < found.size(); ++i) {
    const double y = double{found.values<float>()[static_cast<std::size_t>(i)]};
    const double want = double{expected.values<float>()[static_cast<std::size_t>(i)]};
    off = std::isnan(y) ? y : std::max(off, std::abs(y - want));
    largest = std::max(largest, std::abs(want));
  }
  return off / largest;
}

void check(const Pretrained& pretrained, const std::filesystem::path& models, const Safetensors& reference, const auto& inputs) {
  INFO(pretrained.file);
  const Network network = load_model(pretrained.model, models / fmt::format("{}.safetensors", pretrained.file));
  std::int64_t parameters = 0;
  for (int id = 0; id < network.parameters.size(); ++id)
    if (network.parameters.spec(id).role != Role::buffer) parameters += network.parameters[id].size();
  CHECK(parameters == pretrained.parameters);
  const Tensor x = inputs(network), expected = first(x.shape()[0], find(reference, fmt::format("logits.{}", pretrained.file)));
  CHECK(difference(predict(network, x), expected) <= 1e-3);
}

}  // namespace

TEST_CASE("pretrained: the CIFAR-10 networks give the logits that PyTorch gives") {
  const auto models = test::shared_data("models");
  const auto images = test::cifar10_folder("test_batch.bin");
  if (!models || !images) {
    MESSAGE("skipped: SAFER_DATA has no models, or neither it nor SAFER_CACHE cifar10/test_batch.bin");
    return;
  }
  const Safetensors reference = read_safetensors(*models / "reference_logits.safetensors");
  for (const Pretrained& pretrained : cifar_networks)
    check(pretrained, *models, reference, [&](const Network& network) {
      return first(small_images, load_data("cifar10:" + images->string(), Split::test, {}, network.pixels).inputs);
    });
}

TEST_CASE("pretrained: the ImageNet networks give the logits that PyTorch gives") {
  const auto models = test::shared_data("models");
  if (!models) {
    MESSAGE("skipped: SAFER_DATA has no models");
    return;
  }
  const Safetensors reference = read_safetensors(*models / "reference_logits.safetensors");
  for (const Pretrained& pretrained : imagenet_networks)
    check(pretrained, *models, reference, [&](const Network& network) {
      Tensor inputs = first(photos, find(reference, "imagenet_inputs_u8")).to(DType::f32);
      scale_pixels(inputs, network.pixels);
      return inputs;
    });
}

TEST_CASE("pretrained: photos are recognised as PyTorch recognises them") {
  const auto models = test::shared_data("models");
  const auto all = test::shared_data("imagenet/val1300");
  if (!models || !all) {
    MESSAGE("skipped: SAFER_DATA has no models or no imagenet/val1300");
    return;
  }
  // Every 20th photo: PyTorch on what Pillow decodes gets 42 of the 65 right with a cross-entropy of 1.63837. Two of them are so
  // near to another class that the rounding of the decoder decides.
  const TemporaryFolder folder;
  const ImageFolder found = list_images(std::filesystem::absolute(*all));
  for (std::size_t i = 0; i < found.files.size(); i += 20)
    std::filesystem::create_symlink(found.files[i], folder / found.files[i].filename());
  const Network network = load_model("squeezenet1_1", *models / "imagenet_squeezenet1_1.safetensors");
  const Evaluation result = evaluate(network, open_data("images:" + folder.path().string(), Split::test, {}, network.pixels,
                                                        usual_photo_size(network.sample_shape())));
  CHECK(result.samples == 65);
  CHECK(std::abs(result.correct - 42) <= 2);
  CHECK(result.cross_entropy == doctest::Approx(1.63837).epsilon(0.005));
}

#include "models/data/npy_data.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/error.h"
#include "models/formats/npy.h"

namespace safer {
namespace {

Tensor load_inputs(const std::string& path) {
  const Tensor found = read_npy(path);
  const Shape& shape = found.shape();
  if (shape.rank() < 2 || shape.size() == 0)
    throw Error("{}: shape {}, expected [samples, ...] with at least one sample, e.g. [256, 3, 32, 32]{}", path, shape,
                shape.rank() == 1 && shape[0] > 0 ? "; reshape a single feature to [samples, 1]" : "");
  Tensor inputs = found.to(DType::f32);
  const auto values = inputs.values<float>();
  const auto bad = std::ranges::find_if_not(values, [](float value) { return std::isfinite(value); });
  if (bad == values.end()) return inputs;
  const auto at = bad - values.begin(), sample_size = shape.size() / shape[0];
  const double value = found.type() == DType::f64 ? found.values<double>()[static_cast<std::size_t>(at)] : double{*bad};
  throw Error("{}: sample {}, element {} is {}, expected a finite 32-bit float", path, at / sample_size, at % sample_size, value);
}

std::vector<std::int64_t> load_labels(const std::string& path, std::int64_t samples, const std::string& inputs) {
  const Tensor found = read_npy(path);
  const Shape& shape = found.shape();
  const bool column = shape.rank() == 2 && shape[1] == 1;
  if (shape.rank() != 1 && !column) throw Error("{}: shape {}, expected one label a sample: [{}]", path, shape, samples);
  if (shape[0] != samples) throw Error("{}: {} labels, expected {} as there are samples in {}", path, shape[0], samples, inputs);
  constexpr std::int64_t largest = std::numeric_limits<int>::max() - 1;
  const bool integers = found.type() != DType::f32 && found.type() != DType::f64;
  const Tensor whole = integers ? found.to(DType::i64) : Tensor{}, real = integers ? Tensor{} : found.to(DType::f64);
  std::vector<std::int64_t> labels;
  labels.reserve(static_cast<std::size_t>(samples));
  for (std::size_t i = 0; i < static_cast<std::size_t>(samples); ++i) {
    const auto refuse = [&](auto value) {
      throw Error("{}: the label of sample {} is {}, expected an integer from 0 to {}", path, i, value, largest);
    };
    if (integers) {
      labels.push_back(whole.values<std::int64_t>()[i]);
      if (labels.back() < 0 || labels.back() > largest) refuse(labels.back());
    } else {
      // Asked of the float: converting one that is out of range is undefined. NaN fails the comparison.
      const double value = real.values<double>()[i];
      if (!(value >= 0 && value <= static_cast<double>(largest)) || value != std::floor(value)) refuse(value);
      labels.push_back(static_cast<std::int64_t>(value));
    }
  }
  return labels;
}

}  // namespace

Dataset load_npy_data(const std::filesystem::path& inputs, const std::optional<std::filesystem::path>& labels) {
  Dataset data;
  data.name = inputs.string();
  data.inputs = load_inputs(data.name);
  if (!labels) return data;
  data.labels = load_labels(labels->string(), data.size(), data.name);
  data.classes = static_cast<int>(*std::ranges::max_element(data.labels)) + 1;
  return data;
}

}  // namespace safer

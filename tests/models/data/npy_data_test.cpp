#include "models/data/npy_data.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "engine/error.h"
#include "models/formats/npy.h"
#include "tests/temporary_folder.h"

using namespace safer;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();

/// The files of one test; writing returns the path.
struct Files {
  TemporaryFolder folder;
  template <class T>
  std::filesystem::path write(const std::string& name, const Shape& shape, const std::vector<T>& values) const {
    write_npy(folder / name, Tensor::of<T>(shape, values));
    return folder / name;
  }
  void refuses(const std::filesystem::path& inputs, const std::string& message) const { refuses(inputs, std::nullopt, message); }
  void refuses(const std::filesystem::path& inputs, const std::optional<std::filesystem::path>& labels,
               const std::string& message) const {
    const std::string expected = (labels ? *labels : inputs).string() + ": " + message;
    CHECK_THROWS_WITH_AS(load_npy_data(inputs, labels), expected.c_str(), Error);
  }
};

template <class T>
void check_inputs_of() {
  const Files files;
  const auto path = files.write<T>("x.npy", {2, 3}, {0, 1, 2, 3, 4, 127});
  const Dataset data = load_npy_data(path, std::nullopt);
  CHECK(data.name == path.string());
  CHECK(data.size() == 2);
  CHECK(data.sample_shape() == Shape{3});
  CHECK(data.labels.empty());
  CHECK(data.classes == 0);
  const std::vector<float> expected = {0, 1, 2, 3, 4, 127};
  CHECK(std::ranges::equal(data.inputs.values<float>(), expected));
}

template <class T>
void check_labels_of() {
  const Files files;
  const auto inputs = files.write<float>("x.npy", {3, 1}, {1, 2, 3});
  for (const Shape& shape : {Shape{3}, Shape{3, 1}}) {
    const Dataset data = load_npy_data(inputs, files.write<T>("y.npy", shape, {4, 0, 2}));
    CHECK(data.labels == std::vector<std::int64_t>{4, 0, 2});
    CHECK(data.classes == 5);
  }
}

}  // namespace

TEST_CASE("npy data: inputs of every type become f32") {
  check_inputs_of<float>();
  check_inputs_of<double>();
  check_inputs_of<std::int8_t>();
  check_inputs_of<std::uint8_t>();
  check_inputs_of<std::int32_t>();
  check_inputs_of<std::int64_t>();
}

TEST_CASE("npy data: labels of every type") {
  check_labels_of<float>();
  check_labels_of<double>();
  check_labels_of<std::int8_t>();
  check_labels_of<std::uint8_t>();
  check_labels_of<std::int32_t>();
  check_labels_of<std::int64_t>();
}

TEST_CASE("npy data: refuses inputs that are not samples") {
  const Files files;
  const std::string expected = ", expected [samples, ...] with at least one sample, e.g. [256, 3, 32, 32]";
  files.refuses(files.write<float>("x.npy", {}, {1}), "shape []" + expected);
  files.refuses(files.write<float>("x.npy", {2}, {1, 2}), "shape [2]" + expected + "; reshape a single feature to [samples, 1]");
  files.refuses(files.write<float>("x.npy", {0, 3}, {}), "shape [0, 3]" + expected);
  files.refuses(files.write<float>("x.npy", {3, 0}, {}), "shape [3, 0]" + expected);
}

TEST_CASE("npy data: refuses inputs that are not finite floats, naming the sample") {
  const Files files;
  const std::string expected = ", expected a finite 32-bit float";
  files.refuses(files.write<float>("x.npy", {2, 3}, {0, 1, 2, 3, static_cast<float>(not_a_number), 5}),
                "sample 1, element 1 is nan" + expected);
  files.refuses(files.write<float>("x.npy", {2, 1}, {static_cast<float>(-inf), 5}), "sample 0, element 0 is -inf" + expected);
  files.refuses(files.write<double>("x.npy", {3, 1}, {0, 1, 1e300}), "sample 2, element 0 is 1e+300" + expected);
  files.refuses(files.write<double>("x.npy", {3, 1}, {0, not_a_number, 1e300}), "sample 1, element 0 is nan" + expected);
}

TEST_CASE("npy data: refuses labels that do not fit") {
  const Files files;
  const auto x = files.write<float>("x.npy", {2, 1}, {1, 2});
  files.refuses(x, files.write<std::int64_t>("y.npy", {3}, {1, 2, 3}),
                "3 labels, expected 2 as there are samples in " + x.string());
  files.refuses(x, files.write<std::int64_t>("y.npy", {1, 2}, {1, 2}), "shape [1, 2], expected one label a sample: [2]");
  files.refuses(x, files.write<std::int64_t>("y.npy", {}, {1}), "shape [], expected one label a sample: [2]");
  const std::string expected = ", expected an integer from 0 to 2147483646";
  files.refuses(x, files.write<std::int8_t>("y.npy", {2}, {1, -1}), "the label of sample 1 is -1" + expected);
  files.refuses(x, files.write<std::int64_t>("y.npy", {2}, {2147483647, 0}), "the label of sample 0 is 2147483647" + expected);
  files.refuses(x, files.write<float>("y.npy", {2}, {1, 0.5f}), "the label of sample 1 is 0.5" + expected);
  files.refuses(x, files.write<double>("y.npy", {2}, {-1, 0}), "the label of sample 0 is -1" + expected);
  files.refuses(x, files.write<double>("y.npy", {2}, {1e300, 0}), "the label of sample 0 is 1e+300" + expected);
  files.refuses(x, files.write<double>("y.npy", {2}, {not_a_number, 0}), "the label of sample 0 is nan" + expected);
}

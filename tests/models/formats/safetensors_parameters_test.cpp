#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/error.h"
#include "models/formats/safetensors.h"
#include "tests/temporary_folder.h"

using namespace safer;

namespace {

std::shared_ptr<const ParameterTable> table_of(const std::vector<ParameterSpec>& specs) {
  auto table = std::make_shared<ParameterTable>();
  for (const ParameterSpec& spec : specs) table->add(spec);
  return table;
}

Parameters two_layers(DType type = DType::f32) { return Parameters(table_of({{"first.weight", {2, 3}}, {"bias", {2}}}), type); }

std::vector<float> floats(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

NamedTensor tensor(const std::string& name, const Shape& shape, DType type = DType::f32) { return {name, Tensor(type, shape)}; }

}  // namespace

TEST_CASE("parameters: saved and loaded by name") {
  const TemporaryFolder folder;
  Parameters saved = two_layers();
  for (int id = 0; id < 2; ++id)
    for (float& value : saved.mutable_values<float>(id))
      value = static_cast<float>(10 * id + &value - saved[id].values<float>().data());
  save_parameters(folder / "net.safetensors", saved, {{"model", "two layers"}});
  CHECK(read_safetensors(folder / "net.safetensors").metadata == Metadata{{"model", "two layers"}});

  Parameters loaded = two_layers();
  load_parameters(folder / "net.safetensors", loaded);
  CHECK(floats(loaded[0]) == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(floats(loaded[1]) == std::vector<float>{10, 11});

  Parameters wide = two_layers(DType::f64);
  load_parameters(folder / "net.safetensors", wide);
  CHECK(wide[0].values<double>()[5] == 5);
  save_parameters(folder / "wide.safetensors", wide);
  Parameters narrow = two_layers();
  load_parameters(folder / "wide.safetensors", narrow);
  CHECK(floats(narrow[0]) == floats(saved[0]));
}

TEST_CASE("parameters: everything that does not fit is named in one message, and nothing changes") {
  const TemporaryFolder folder;
  const auto path = folder / "net.safetensors";
  Parameters parameters(table_of({{"a", {2}}, {"b", {3}}, {"c", {4}}, {"d", {}}, {"e", {1}}}));
  const std::vector<NamedTensor> tensors = {tensor("b", {3, 1}), tensor("c", {4}, DType::i8), tensor("d", {}), tensor("x", {2}),
                                            tensor("y\n", {})};
  write_safetensors(path, tensors);
  const std::uint64_t version = parameters["d"].version();
  CHECK_THROWS_WITH_AS(
      load_parameters(path, parameters),
      (path.string() + ": the tensors do not fit the network's 5 parameters: 2 missing (a, e); 2 unexpected "
                       "(\"x\", \"y\\n\"); 1 of another shape (b is [3, 1], expected [3]); 1 of another type (c is i8, "
                       "expected f32)")
          .c_str(),
      Error);
  CHECK(parameters["d"].version() == version);
}

TEST_CASE("parameters: of many that do not fit, ten are named") {
  const TemporaryFolder folder;
  const auto path = folder / "net.safetensors";
  std::vector<ParameterSpec> specs;
  for (int i = 0; i < 12; ++i) specs.push_back({std::string(1, static_cast<char>('a' + i)), {1}});
  Parameters parameters(table_of(specs));
  write_safetensors(path, {});
  CHECK_THROWS_WITH_AS(
      load_parameters(path, parameters),
      (path.string() + ": the tensors do not fit the network's 12 parameters: 12 missing (a, b, c, d, e, f, g, h, i, j "
                       "and 2 more)")
          .c_str(),
      Error);
}

TEST_CASE("parameters: none") {
  const TemporaryFolder folder;
  Parameters none;
  save_parameters(folder / "none.safetensors", none);
  load_parameters(folder / "none.safetensors", none);
  CHECK(none.size() == 0);
}

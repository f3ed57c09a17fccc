#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/tape/workspace.h"
#include "models/formats/file.h"
#include "models/onnx/fold.h"
#include "models/onnx/graph_import.h"
#include "models/onnx/import.h"
#include "models/onnx/operators.h"

// Runs the node tests of ONNX's own package (generate.py writes them) for the operators that safer imports, and prints a table of
// operators: docs/onnx.md. Every test all of whose operators are claimed and whose inputs and outputs are floats must pass.
//   onnx_node_tests FOLDER/node > docs/onnx.md
namespace safer::onnx {
namespace {

namespace fs = std::filesystem;

struct NodeTest {
  std::string name;
  Model model = {};
  std::vector<Tensor> inputs = {}, outputs = {};
};

bool is_claimed(const Node& node) { return node.domain.empty() && (find_operator(node.op) || find_fold(node.op)); }

std::vector<Tensor> read_tensors(const fs::path& folder, std::string_view kind) {
  std::vector<Tensor> tensors;
  for (int i = 0; fs::exists(folder / fmt::format("{}_{}.pb", kind, i)); ++i)
    tensors.push_back(read_tensor(folder / fmt::format("{}_{}.pb", kind, i)));
  return tensors;
}

/// std::nullopt when its outputs are not floats, it needs an operator that is not claimed, or it is about training.
std::optional<NodeTest> read_test(const fs::path& folder) {
  NodeTest test{.name = folder.filename().string()};
  if (test.name.find("training") != std::string::npos) return std::nullopt;
  try {
    test.model = read_model(folder / "model.onnx");
    const Graph& graph = test.model.graph;
    if (!std::ranges::all_of(graph.nodes, is_claimed) || graph.nodes.empty()) return std::nullopt;
    const auto is_float = [](const ValueInfo& info) { return info.type == ElementType::float32; };
    if (!std::ranges::all_of(graph.outputs, is_float)) return std::nullopt;
    test.inputs = read_tensors(folder / "test_data_set_0", "input");
    for (std::size_t i = 0; i < test.inputs.size(); ++i)  // some bfloat16 inputs come as files of uint16
      if (test.inputs[i].type() != stored_type(graph.inputs[i].type, test.name)) return std::nullopt;
    // An operator that has not changed since is tested as of the opset that brought it.
    std::int64_t& opset = test.model.opsets[""];
    opset = std::max(opset, oldest_opset);
    test.outputs = read_tensors(folder / "test_data_set_0", "output");
  } catch (const Error&) {
    return std::nullopt;  // strings, sequences and the like
  }
  return test;
}

/// Which inputs vary over the batch, which lies on their first axis; the others are constants.
enum class Reading { first_varies, floats_vary, constants };
constexpr Reading readings[] = {Reading::first_varies, Reading::floats_vary, Reading::constants};

bool varies(Reading reading, const NodeTest& test, std::size_t i) {
  const Shape& shape = test.inputs[i].shape();
  if (reading == Reading::constants || test.inputs[i].type() != DType::f32 || shape.rank() == 0 || shape.size() == 0) return false;
  return i == 0 || (reading == Reading::floats_vary && shape.rank() == test.inputs[0].shape().rank() &&
                    shape[0] == test.inputs[0].shape()[0]);
}

struct Result {
  Shape shape;
  std::vector<float> values;
};

Result computed(const Value& value, std::int64_t batch, const Tape& tape, const std::map<ValueId, Tensor>& bound,
                const ImportedWeights& weights) {
  Parameters parameters(tape.parameters());
  for (const auto& [name, tensor] : weights.values()) parameters.set(parameters.id(name), tensor);
  Workspace<float> workspace(Plan(tape, {.batch = batch, .outputs = {value.var.id()}}));
  for (const auto& [id, tensor] : bound) workspace.bind(id, tensor.values<float>());
  workspace.replay(parameters);
  const auto found = workspace.value(value.var);
  const Known sizes = shape_of(value);
  Shape shape;
  for (std::size_t axis = 0; axis < static_cast<std::size_t>(sizes.value.size()); ++axis)
    shape.push_back(sizes.value.values<std::int64_t>()[axis] +
                    (sizes.batch ? batch * sizes.batch->values<std::int64_t>()[axis] : 0));
  return {shape, {found.begin(), found.end()}};
}

/// The outputs, read in one way.
std::vector<Result> run(const NodeTest& test, Reading reading) {
  Tape tape;
  GraphImport graph(test.model, test.name, tape);
  std::map<ValueId, Tensor> bound;
  std::int64_t batch = 1;
  for (std::size_t i = 0; i < test.inputs.size(); ++i) {
    const std::string& name = test.model.graph.inputs[i].name;
    const Tensor& tensor = test.inputs[i];
    if (!varies(reading, test, i)) {
      graph.bind(name, {std::make_shared<const Known>(Known{tensor, {}, name}), {}});
      continue;
    }
    Shape sample = tensor.shape();
    batch = sample[0];
    sample[0] = 1;
    const Var x = tape.input(name, ValueType{sample, 0, DType::f32});
    bound[x.id()] = tensor;
    graph.bind(name, {nullptr, x});
  }
  std::vector<Result> results;
  for (const ValueInfo& output : test.model.graph.outputs) {
    const Value value = graph.record(output.name);
    if (value.known) {
      const Tensor tensor = tensor_of(*value.known, "the output").to(DType::f32);
      results.push_back({tensor.shape(), {tensor.values<float>().begin(), tensor.values<float>().end()}});
    } else {
      results.push_back(computed(value, batch, tape, bound, graph.weights()));
    }
  }
  return results;
}

/// "" or what is wrong.
std::string difference(const Result& found, const Tensor& wanted) {
  if (found.shape != wanted.shape()) return fmt::format("shape {}, expected {}", found.shape, wanted.shape());
  const auto expected = wanted.values<float>();
  constexpr double bound = 1e-5;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double a = found.values[i], b = expected[i];
    const bool same = a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= bound * std::max(1.0, std::abs(b));
    if (!same) return fmt::format("element {} is {}, expected {}", i, a, b);
  }
  return {};
}

/// Empty when every way of reading the inputs that can be imported is right, and at least one can.
std::string problem(const NodeTest& test) {
  std::string refused;
  bool passed = false;
  for (const Reading reading : readings) {
    try {
      const std::vector<Result> results = run(test, reading);
      for (std::size_t i = 0; i < results.size(); ++i)
        if (const std::string wrong = difference(results[i], test.outputs[i]); !wrong.empty()) return wrong;
      passed = true;
    } catch (const Error& error) {
      refused = error.what();
    }
  }
  return passed ? std::string() : refused;
}

struct Count {
  int passed = 0, all = 0;
};

void print(const std::map<std::string, Count>& counts, const std::vector<std::string>& failures, const Count& total) {
  fmt::print(
      "# Operators of ONNX files\n\nWritten by `onnx_node_tests` (`tests/onnx_nodes`). Opset {} to {}. Tests are those "
      "that come with Python's\n"
      "`onnx` package, as far as their outputs are floats, they are not about training, and all their operators are in this table: "
      "{} of {} pass.\n"
      "Constants: what a file computes from constants and shapes alone may also use the operators marked so.\n\n"
      "| operator | network | constants | tests passed |\n| --- | --- | --- | --- |\n",
      oldest_opset, newest_opset, total.passed, total.all);
  std::vector<std::string_view> names = operator_names();
  for (const std::string_view name : folded_operators()) names.push_back(name);
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const std::string_view name : names) {
    const auto count = counts.find(std::string(name));
    fmt::print("| {} | {} | {} | {} |\n", name, find_operator(name) ? "yes" : "", find_fold(name) ? "yes" : "",
               count == counts.end() ? "" : fmt::format("{} of {}", count->second.passed, count->second.all));
  }
  for (const std::string& failure : failures) fmt::print(stderr, "failed: {}\n", failure);
}

int run_all(const fs::path& folder) {
  std::vector<fs::path> folders;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) folders.push_back(entry.path());
  std::ranges::sort(folders);
  std::map<std::string, Count> counts;
  std::vector<std::string> failures;
  Count total;
  for (const fs::path& path : folders) {
    const std::optional<NodeTest> test = read_test(path);
    if (!test) continue;
    const std::string wrong = problem(*test);
    if (!wrong.empty()) failures.push_back(fmt::format("{}: {}", test->name, wrong));
    Count& of_operator = counts[test->model.graph.nodes[0].op];
    for (Count* count : {&of_operator, &total}) {
      ++count->all;
      count->passed += wrong.empty();
    }
  }
  print(counts, failures, total);
  return total.all > 0 && failures.empty() ? 0 : 1;
}

}  // namespace
}  // namespace safer::onnx

int main(int count, char** arguments) {
  if (count != 2) {
    fmt::print(stderr, "usage: onnx_node_tests FOLDER (the folder `node` that generate.py writes)\n");
    return 2;
  }
  return safer::onnx::run_all(arguments[1]);
}

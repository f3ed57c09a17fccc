// Values and gradients against those of PyTorch; see golden/make_golden.py.

#include "tests/engine/ops/golden.h"

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "engine/ops/ops.h"
#include "tests/engine/gradcheck.h"

namespace safer::test {

const std::map<std::string, GoldenTensor>& golden_tensors() {
  static const std::map<std::string, GoldenTensor> tensors = [] {
    std::map<std::string, GoldenTensor> read;
    std::ifstream file(SAFER_SOURCE_DIR "/tests/engine/ops/golden/golden.txt");
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      std::string name;
      int rank = 0;
      words >> name >> rank;
      GoldenTensor tensor;
      for (int axis = 0; axis < rank; ++axis) {
        std::int64_t size = 0;
        words >> size;
        tensor.shape.push_back(size);
      }
      for (double value = 0; words >> value;) tensor.values.push_back(value);
      REQUIRE(static_cast<std::int64_t>(tensor.values.size()) == tensor.shape.size());
      read[name] = tensor;
    }
    REQUIRE(!read.empty());
    return read;
  }();
  return tensors;
}

namespace {

/// Declares a case's inputs with their golden values.
struct Declared {
  explicit Declared(std::string case_name) : name(std::move(case_name)) {}
  /// Its first axis is the batch.
  Var input(const std::string& key) {
    const GoldenTensor& tensor = golden_tensors().at(name + "." + key);
    Shape sample = tensor.shape;
    sample[0] = 1;
    const Var var = tape.input(key, ValueType{sample, 0, DType::f32});
    data.batch = tensor.shape[0];
    data.inputs[var.id()] = tensor.values;
    return var;
  }
  Var parameter(const std::string& key) {
    return tape.parameter({.name = key, .shape = golden_tensors().at(name + "." + key).shape});
  }

  std::string name;
  Tape tape;
  Data data;
};

template <class T>
void check(Declared& in, Var y, double tolerance) {
  in.data.parameters = Parameters(in.tape.parameters(), DType::f64);
  for (int id = 0; id < in.tape.parameters()->size(); ++id) {
    const GoldenTensor& tensor = golden_tensors().at(in.name + "." + in.data.parameters.spec(id).name);
    in.data.parameters.set(id, Tensor::of<double>(tensor.shape, tensor.values));
  }
  const auto expected = [&](const std::string& key) -> const std::vector<double>& {
    return golden_tensors().at(in.name + "." + key).values;
  };
  const Outcome found = differentiate<T>(in.tape, y.id(), in.data, expected("dy"));
  Deviation deviation;
  deviation.add("y", found.output, expected("y"), tolerance * largest(expected("y")));
  for (const auto& [id, gradient] : found.gradients) {
    const std::string& key = in.tape.node(id).name;
    deviation.add("gradient of " + key, gradient, expected("d" + key), tolerance * largest(expected("d" + key)));
  }
  INFO(in.name, sizeof(T) == 4 ? ", float" : ", double");
  CHECK_MESSAGE(deviation.ratio <= 1, deviation.where);
}

void against_golden(const std::string& name, const std::function<Var(Declared&)>& record) {
  Declared in(name);
  const Var y = record(in);
  check<double>(in, y, 1e-14);
  check<float>(in, y, 1e-6);
}

}  // namespace

TEST_CASE("golden: linear and matmul") {
  against_golden("linear", [](Declared& in) { return linear(in.input("x"), in.parameter("W"), in.parameter("b")); });
  against_golden("matmul", [](Declared& in) { return matmul(in.input("a"), in.input("b")); });
}

TEST_CASE("golden: layer_norm") {
  against_golden("layer_norm", [](Declared& in) { return layer_norm(in.input("x"), in.parameter("gamma"), in.parameter("beta")); });
  against_golden("layer_norm_two_axes",
                 [](Declared& in) { return layer_norm(in.input("x"), {}, {}, {.axes = 2, .epsilon = 1e-3}); });
}

TEST_CASE("golden: attention") {
  for (const char* name : {"attention", "attention_causal"})
    against_golden(name, [&](Declared& in) {
      const Var q = in.input("q"), k = in.input("k");
      const bool causal = in.name == "attention_causal";
      return attention(q, k, in.input("v"), {.heads = causal ? 1 : 2, .causal = causal});
    });
}

TEST_CASE("golden: broadcasting arithmetic") {
  const auto check_both = [](const char* name, Var (*function)(Var, Var, std::string_view)) {
    against_golden(name, [&](Declared& in) {
      const Var a = in.input("a");
      return function(a, in.parameter("b"), {});
    });
  };
  check_both("add", add);
  check_both("sub", sub);
  check_both("mul", mul);
  check_both("div", div);
}

TEST_CASE("golden: conv2d") {
  against_golden("conv2d", [](Declared& in) {
    const Var x = in.input("x"), W = in.parameter("W");
    return conv2d(x, W, in.parameter("b"), {.stride = {2, 1}, .padding = 1, .dilation = {1, 2}, .groups = 2});
  });
  against_golden("conv2d_depthwise", [](Declared& in) {
    const Var x = in.input("x");
    return conv2d(x, in.parameter("W"), {}, {.stride = 2, .padding = 1, .groups = 3});
  });
}

TEST_CASE("golden: batch_norm, in inference and in training") {
  against_golden("batch_norm", [](Declared& in) {
    const Var x = in.input("x"), gamma = in.parameter("gamma"), beta = in.parameter("beta"), mean = in.parameter("mean");
    return batch_norm(x, gamma, beta, mean, in.parameter("variance"), {.epsilon = 1e-3});
  });
  against_golden("batch_norm_training", [](Declared& in) {
    in.data.mode = Mode::training;
    const Var x = in.input("x"), gamma = in.parameter("gamma"), unread = in.tape.constant("unread", Tensor(DType::f32, {2}));
    return batch_norm(x, gamma, in.parameter("beta"), unread, unread);
  });
}

TEST_CASE("golden: pooling") {
  against_golden("max_pool2d", [](Declared& in) { return max_pool2d(in.input("x"), 3, {.stride = 2, .padding = 1}); });
  const PoolOptions options{.stride = {2, 3}, .padding = {1, 0, 1, 0}};
  against_golden("max_pool2d_ceil", [&](Declared& in) {
    PoolOptions own = options;
    own.dilation = {1, 2}, own.ceil = true;
    return max_pool2d(in.input("x"), {3, 2}, own);
  });
  for (const bool ceil : {false, true})
    for (const bool count_padding : {false, true})
      against_golden(fmt::format("average_pool2d{}{}", ceil ? "_ceil" : "", count_padding ? "_padding" : ""), [&](Declared& in) {
        PoolOptions own = options;
        own.ceil = ceil, own.count_padding = count_padding;
        return average_pool2d(in.input("x"), {3, 2}, own);
      });
}

TEST_CASE("golden: resize") {
  using enum ResizeCoordinates;
  const auto check_size = [](const char* name, Pair size, ResizeOptions options) {
    against_golden(name, [&](Declared& in) { return resize(in.input("x"), size, options); });
  };
  check_size("resize_nearest", {5, 7}, {.coordinates = asymmetric, .rounding = ResizeRounding::floor});
  check_size("resize_nearest_exact", {5, 3}, {.coordinates = half_pixel, .rounding = ResizeRounding::round_prefer_ceil});
  check_size("resize_bilinear", {5, 3}, {.mode = ResizeMode::bilinear, .coordinates = half_pixel});
  check_size("resize_align_corners", {5, 3}, {.mode = ResizeMode::bilinear, .coordinates = align_corners});
}

}  // namespace safer::test

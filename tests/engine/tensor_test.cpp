#include "engine/tensor.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <vector>

#include "engine/error.h"

using namespace safer;

TEST_CASE("tensor: starts zero-filled, typed and on a cache line") {
  const Tensor tensor(DType::i32, {3, 5});
  CHECK(tensor.bytes() == 60);
  CHECK(reinterpret_cast<std::uintptr_t>(tensor.raw()) % 64 == 0);
  for (const std::int32_t value : tensor.values<std::int32_t>()) CHECK(value == 0);
  CHECK_THROWS_WITH_AS(static_cast<void>(tensor.values<float>()), "tensor: the elements are i32, not f32", Error);
}

TEST_CASE("tensor: without elements") {
  Tensor tensor(DType::f32, {0, 4});
  CHECK(tensor.values<float>().empty());
  CHECK(tensor.mutable_values<float>().empty());
  CHECK(tensor.version() == 0);
  CHECK(tensor.to(DType::f64).shape() == Shape{0, 4});
  CHECK(Tensor{}.size() == 0);
}

TEST_CASE("tensor: copies share memory until one is written to") {
  const std::array<float, 4> values = {1, 2, 3, 4};
  const Tensor original = Tensor::of<float>({2, 2}, values);
  Tensor copy = original;
  CHECK(copy.raw() == original.raw());
  CHECK(copy.version() == original.version());
  copy.mutable_values<float>()[0] = 9;
  CHECK(copy.raw() != original.raw());
  CHECK(copy.version() != original.version());
  CHECK(original.values<float>()[0] == 1);
  CHECK(copy.values<float>()[0] == 9);
  CHECK(copy.values<float>()[3] == 4);
}

TEST_CASE("tensor: each round of writing gives a new version") {
  Tensor tensor(DType::f32, {2});
  const std::uint64_t first = tensor.version();
  const std::byte* memory = tensor.raw();
  tensor.mutable_values<float>()[0] = 1;
  CHECK(tensor.version() != first);
  CHECK(tensor.raw() == memory);  // nobody else holds it, so it is written in place
}

TEST_CASE("tensor: conversion and reshaping") {
  const std::array<double, 3> values = {1.75, -2.5, 3};
  const Tensor tensor = Tensor::of<double>({3}, values);
  CHECK(tensor.to(DType::f32).values<float>()[1] == -2.5f);
  CHECK(tensor.to(DType::i64).values<std::int64_t>()[0] == 1);
  CHECK(tensor.to(DType::i64).values<std::int64_t>()[1] == -2);  // towards zero
  CHECK(tensor.to(DType::f64).raw() == tensor.raw());
  CHECK(tensor.reshaped({3, 1}).raw() == tensor.raw());
  CHECK_THROWS_WITH_AS(static_cast<void>(tensor.reshaped({4})), "reshape: [3] has 3 elements, [4] would have 4", Error);
  CHECK_THROWS_WITH_AS((Tensor::of<double>({2}, values)), "tensor: 3 values for shape [2]", Error);
}

TEST_CASE("tensor: a packed copy is made once a version and layout") {
  Tensor tensor(DType::f32, {4});
  int packs = 0;
  const auto pack = [&](float* to) {
    ++packs;
    for (int i = 0; i < 4; ++i) to[i] = 2 * tensor.values<float>()[static_cast<std::size_t>(i)];
  };
  const float* first = tensor.packed(1, 4, pack);
  CHECK(tensor.packed(1, 4, pack) == first);
  CHECK(packs == 1);
  const Tensor sharing = tensor;
  CHECK(sharing.packed(1, 4, pack) == first);
  CHECK(tensor.packed(2, 4, pack) != first);
  CHECK(packs == 2);

  Tensor other = tensor;
  other.mutable_values<float>()[0] = 5;  // unshared: the packed copies stay with the original
  CHECK(tensor.packed(1, 4, pack) == first);
  CHECK(packs == 2);
}

TEST_CASE("tensor: a new version is packed anew into the same memory") {
  Tensor tensor(DType::f32, {2});
  const auto pack = [&](float* to) { to[0] = tensor.values<float>()[0]; };
  const float* first = tensor.packed(1, 1, pack);
  CHECK(first[0] == 0);
  tensor.mutable_values<float>()[0] = 3;
  CHECK(tensor.packed(1, 1, pack) == first);
  CHECK(first[0] == 3);
}

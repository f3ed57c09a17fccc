#include "engine/parameters.h"

#include <doctest/doctest.h>

#include <memory>

#include "engine/error.h"

using namespace safer;

namespace {
std::shared_ptr<const ParameterTable> table() {
  auto table = std::make_shared<ParameterTable>();
  table->add({.name = "fc.weight", .shape = {3, 2}});
  table->add({.name = "fc.bias", .shape = {3}, .role = Role::bias});
  return table;
}
}  // namespace

TEST_CASE("parameters: a perturbed copy costs one tensor") {
  Parameters original(table());
  original.mutable_values<float>(1)[2] = 7;
  Parameters perturbed = original;
  perturbed.mutable_values<float>(0)[0] = 1;
  CHECK(perturbed[0].raw() != original[0].raw());
  CHECK(perturbed[1].raw() == original[1].raw());
  CHECK(original[0].values<float>()[0] == 0);
  CHECK(perturbed["fc.bias"].values<float>()[2] == 7);
  CHECK(original.elements() == 9);
}

TEST_CASE("parameters: conversion for a run in double") {
  Parameters single(table());
  single.mutable_values<float>(0)[4] = 0.5f;
  const Parameters twice = single.to(DType::f64);
  CHECK(twice.type() == DType::f64);
  CHECK(twice[0].values<double>()[4] == 0.5);
}

TEST_CASE("parameters: errors name what was found and expected") {
  Parameters parameters(table());
  CHECK_THROWS_WITH_AS(parameters.set(0, Tensor(DType::f32, {2, 3})), "parameter 'fc.weight': shape [2, 3], expected [3, 2]",
                       Error);
  CHECK_THROWS_WITH_AS(parameters.set(1, Tensor(DType::f64, {3})), "parameter 'fc.bias': elements are f64, expected f32", Error);
  CHECK_THROWS_WITH_AS(static_cast<void>(parameters["fc2"]), "no parameter is called 'fc2'; there are: fc.weight, fc.bias", Error);
  ParameterTable twice;
  twice.add({.name = "w", .shape = {1}});
  CHECK_THROWS_WITH_AS(twice.add({.name = "w", .shape = {1}}), "parameter 'w' is declared twice", Error);
}

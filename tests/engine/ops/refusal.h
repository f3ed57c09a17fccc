#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/tape/tape.h"

namespace safer::test {

/// What is said against an op on values of these types, or "no error"; `record` takes them as a vector of Var. Those without a
/// batch axis are parameters.
template <class Record>
std::string refusal(std::initializer_list<std::pair<const char*, ValueType>> values, const Record& record) {
  Tape tape;
  std::vector<Var> vars;
  for (const auto& [name, type] : values)
    vars.push_back(type.batched() ? tape.input(name, type) : tape.parameter({.name = name, .shape = type.shape}));
  try {
    record(vars);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace safer::test

#include "engine/kernels/dispatch.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <string>

#include "engine/error.h"
#include "engine/reference/reference.h"

namespace safer::kernels {
namespace {

std::string message_of(std::string_view name) {
  try {
    find(name);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string choices_here() {
  std::string names;
  for (const Isa& isa : isas())
    if (isa.runs_here()) names.append(names.empty() ? "" : ", ").append(isa.table->name);
  return names;
}

}  // namespace

TEST_CASE("every table is complete, and the last one runs everywhere") {
  REQUIRE(!isas().empty());
  CHECK(isas().back().runs_here());
  for (const Isa& isa : isas()) {
    CAPTURE(isa.table->name);
#define SAFER_CHECK(kernel, ...) CHECK((isa.table->kernel != nullptr));
    SAFER_KERNELS(SAFER_CHECK)
#undef SAFER_CHECK
    for (auto* const kernel : isa.table->unary) CHECK((kernel != nullptr));
    for (auto* const kernel : isa.table->unary_gradient) CHECK((kernel != nullptr));
    for (auto* const kernel : isa.table->binary) CHECK((kernel != nullptr));
    for (auto* const kernel : isa.table->fold) CHECK((kernel != nullptr));
  }
}

TEST_CASE("a table is found by its name") {
  for (const Isa& isa : isas())
    if (isa.runs_here()) CHECK(&find(isa.table->name) == isa.table);
}

TEST_CASE("a name that is unknown or cannot run is answered with the choices") {
  CHECK(message_of("mmx") == fmt::format("SAFER_ISA: unknown instruction set 'mmx'; choose one of: {}", choices_here()));
  CHECK(message_of("") == fmt::format("SAFER_ISA: unknown instruction set ''; choose one of: {}", choices_here()));
  for (const Isa& isa : isas())
    if (!isa.runs_here())
      CHECK(message_of(isa.table->name) ==
            fmt::format("SAFER_ISA: this processor cannot run '{}'; choose one of: {}", isa.table->name, choices_here()));
}

TEST_CASE("an unproven instruction set is used only when the environment names it") {
  const char* forced = std::getenv("SAFER_ISA");
  if (forced && *forced) {
    CHECK(active().name == forced);
    return;
  }
  for (const Isa& isa : isas())
    if (isa.table == &active()) CHECK((isa.proven || &isa == &isas().back()));
  for (const Isa& isa : isas()) {  // best first
    if (isa.table == &active()) break;
    CHECK((!isa.proven || !isa.runs_here()));
  }
}

TEST_CASE("float runs on the active table, double on the reference") {
  CHECK(&table<float>() == &active());
  CHECK(&table<double>() == &reference_table);
}

}  // namespace safer::kernels

#include "tools/arguments.h"

#include <doctest/doctest.h>

#include <sstream>

#include "engine/parallel.h"

using namespace safer::commands;

namespace {

constexpr Option options[] = {
    {"count", "N", "a number", "7"},
    {"rate", "R", "another"},
    {"names", "A[,B]", "some names"},
    {"switch", "", "a switch"},
};
constexpr Usage optional_model = {"test", "Does nothing.", "[MODEL]", options};
constexpr Usage needs_model = {"test", "Does nothing.", "MODEL", options};
constexpr Usage no_model = {"test", "Does nothing.", "", options};

Arguments parse(std::initializer_list<const char*> args, const Usage& usage = optional_model) {
  return Arguments(usage, std::span<const char* const>(args.begin(), args.size()));
}

template <class F>
std::string usage_error(const F& f) {
  try {
    f();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("arguments: values, fallbacks, switches and the positional argument") {
  const Arguments given = parse({"--rate=0.5", "model", "--names", "a,b,c", "--switch"});
  CHECK(given.positional() == "model");
  CHECK(given.number("rate", 0, 1) == 0.5);
  CHECK(given.integer("count", 0, 10) == 7);
  CHECK_FALSE(given.has("count"));
  CHECK(given.has("switch"));
  CHECK(given.list("names") == std::vector<std::string>{"a", "b", "c"});
  CHECK(given.required("rate") == "0.5");
  CHECK(parse({}).positional().empty());
  CHECK(parse({}).list("names").empty());
  CHECK(parse({"--rate", "-3"}).number("rate", -5, 5) == -3);
}

TEST_CASE("arguments: the help names every option and its default") {
  const Arguments given = parse({"--help"});
  CHECK(given.wants_help());
  for (const char* part : {"safer test", "Does nothing.", "[MODEL]", "--count N", "default: 7", "--switch", "--threads T", "--json",
                           "--csv", "--quiet", "--help"}) {
    CAPTURE(part);
    CHECK(given.help().find(part) != std::string::npos);
  }
}

TEST_CASE("arguments: the line itself is wrong") {
  CHECK(usage_error([] { parse({"--nonsense"}); }).find("nonsense") != std::string::npos);
  CHECK(usage_error([] { parse({"--rate"}); }).find("rate") != std::string::npos);
  CHECK(usage_error([] { parse({"--rate", "--switch"}); }) == "--rate needs a value, found '--switch'");
  CHECK(usage_error([] { parse({"a", "b"}); }) == "unexpected argument 'b'");
  CHECK(usage_error([] { parse({"a"}, no_model); }) == "unexpected argument 'a'");
  CHECK(usage_error([] { parse({}, needs_model); }) == "MODEL is missing");
  CHECK(usage_error([] { parse({}).required("rate"); }) == "--rate is missing");
}

TEST_CASE("arguments: numbers are checked whole and against their bounds") {
  for (const char* bad : {"x", "", "1.5", "3x", " 3", "0x3", "99999999999999999999", "11", "-1"}) {
    CAPTURE(bad);
    CHECK(usage_error([&] {
            parse({"--count", bad}).integer("count", 0, 10);
          }) == "--count: found '" + std::string(bad) + "', expected a whole number from 0 to 10");
  }
  CHECK(usage_error([] {
          parse({"--count", "0"}).integer("count", 1, std::numeric_limits<std::int64_t>::max());
        }) == "--count: found '0', expected a whole number of 1 or more");
  for (const char* bad : {"x", "nan", "inf", "1.5", "-0.1", "0.5s"}) {
    CAPTURE(bad);
    CHECK(usage_error([&] {
            parse({"--rate", bad}).number("rate", 0, 1);
          }) == "--rate: found '" + std::string(bad) + "', expected a number from 0 to 1");
  }
  for (const char* bad : {"", ",", "a,", ",a", "a,,b"}) {
    CAPTURE(bad);
    CHECK(usage_error([&] {
            parse({"--names", bad}).list("names");
          }) == "--names: found '" + std::string(bad) + "', expected names between commas");
  }
}

TEST_CASE("arguments: the options of every command") {
  std::ostringstream log;
  CHECK(common_options(parse({}), log).format == Format::text);
  CHECK(common_options(parse({"--json"}), log).format == Format::json);
  CHECK(common_options(parse({"--csv", "--quiet"}), log).format == Format::csv);
  CHECK(common_options(parse({"--quiet"}), log).quiet);
  CHECK_FALSE(common_options(parse({}), log).progress);  // the log is no terminal
  CHECK(usage_error([&] { common_options(parse({"--json", "--csv"}), log); }) == "--json and --csv exclude each other");
  for (const char* bad : {"0", "-1", "many", "1025"}) {
    CAPTURE(bad);
    CHECK(usage_error([&] {
            common_options(parse({"--threads", bad}), log);
          }) == "--threads: found '" + std::string(bad) + "', expected a whole number from 1 to 1024");
  }
  const int threads = safer::available_threads();
  common_options(parse({"--threads", "3"}), log);
  CHECK(safer::available_threads() == 3);
  safer::set_threads(threads);
}

TEST_CASE("nearest: few edits only") {
  constexpr std::string_view names[] = {"rank", "run", "evaluate"};
  CHECK(nearest("rnak", names) == "rank");
  CHECK(nearest("ran", names) == "rank");
  CHECK(nearest("evalute", names) == "evaluate");
  CHECK(nearest("quantize", names).empty());
  CHECK(nearest("", names).empty());
}

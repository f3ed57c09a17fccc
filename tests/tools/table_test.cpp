#include "tools/table.h"

#include <doctest/doctest.h>

#include <limits>
#include <sstream>

using namespace safer::commands;

TEST_CASE("table: columns are as wide as their widest cell, in characters") {
  using enum Table::Align;
  Table table({{"n", right}, {"name"}, {"last"}});
  table.add({"1", "\u00e9t\u00e9", "x"});  // 3 characters, 5 bytes
  table.add({"1000", "winter", ""});
  std::ostringstream out;
  table.print(out);
  CHECK(out.str() ==
        "   n  name    last\n"
        "   1  \u00e9t\u00e9     x\n"
        "1000  winter\n");
}

TEST_CASE("table: a name from a file cannot write to the terminal") {
  Table table({{"name"}});
  table.add({"a\x1b[2Jb\n\x7f"});
  std::ostringstream out;
  table.print(out);
  CHECK(out.str() == "name\na?[2Jb??\n");
}

TEST_CASE("table: comma-separated values are quoted where they must be") {
  Table table({{"a"}, {"b c"}});
  table.add({"[2, 3]", "plain"});
  table.add({"say \"no\"", "two\nlines"});
  std::ostringstream out;
  table.print_csv(out);
  CHECK(out.str() == "a,b c\n\"[2, 3]\",plain\n\"say \"\"no\"\"\",\"two\nlines\"\n");
}

TEST_CASE("bar: in proportion, never missing for what is positive") {
  CHECK(bar(1, 10) == "##########");
  CHECK(bar(0.5, 10) == "#####");
  CHECK(bar(1e-9, 10) == "#");
  CHECK(bar(0, 10).empty());
  for (const double bad : {-1.0, 1.5, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    CHECK(bar(bad, 10).empty());
}

TEST_CASE("grouped: thousands") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1000) == "1,000");
  CHECK(grouped(1234567) == "1,234,567");
  CHECK(grouped(-1234) == "-1,234");
  CHECK(grouped(-123) == "-123");
}

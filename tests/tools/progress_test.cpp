#include "tools/progress.h"

#include <doctest/doctest.h>

#include <sstream>

using namespace safer::commands;

namespace {

/// What a terminal shows of a line that was written over and over.
std::string visible(const std::string& written) {
  std::string line;
  std::size_t column = 0;
  for (const char c : written) {
    if (c == '\r') {
      column = 0;
      continue;
    }
    line.resize(std::max(line.size(), column + 1), ' ');
    line[column++] = c;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

TEST_CASE("progress: after a second, with the time left, and gone at the end") {
  double now = 100;
  std::ostringstream log;
  {
    Progress progress(log, true, "ranking", [&] { return now; });
    now = 100.9;
    progress(1, 4);
    CHECK(log.str().empty());
    now = 102;
    progress(2, 4);
    CHECK(visible(log.str()) == "ranking [##########          ]  50 %, 2 s left");
    const std::string before = log.str();
    now = 102.1;  // too soon to draw again
    progress(3, 4);
    CHECK(log.str() == before);
    now = 400;
    progress(1, 3);
    CHECK(visible(log.str()) == "ranking [#######             ]  33 %, 10 min left");
    now = 401;
    progress(29, 30);  // a shorter line leaves nothing of the longer one
    CHECK(visible(log.str()) == "ranking [################### ]  97 %, 10 s left");
  }
  CHECK(visible(log.str()).empty());
}

TEST_CASE("progress: short work, odd counts and logs that are no terminal show nothing") {
  double now = 0;
  std::ostringstream log;
  {
    Progress quick(log, true, "ranking", [&] { return now; });
    now = 0.5;
    quick(1, 2);
    now = 10;
    quick(2, 2);
    quick(0, 2);
    quick(0, 0);
    Progress hidden(log, false, "ranking", [&] { return now; });
    now = 20;
    hidden(1, 2);
  }
  CHECK(log.str().empty());
  CHECK_FALSE(is_terminal(log));
}

#include <algorithm>
#include <csignal>
#include <iostream>
#include <vector>

#include "tools/command.h"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that went away becomes a failed write, which is reported
  const std::vector<const char*> args(argv + std::min(argc, 1), argv + argc);
  return safer::commands::safer(args, std::cout, std::cerr);
}

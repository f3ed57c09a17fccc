#pragma once

#include <sstream>
#include <string>
#include <vector>

#include "engine/parallel.h"
#include "tools/command.h"

struct Outcome {
  int status = 0;
  std::string out, log;
};

/// The whole program with these words behind "safer". The number of threads is as before when it returns.
inline Outcome run_safer(const std::vector<std::string>& words) {
  std::vector<const char*> args;
  for (const std::string& word : words) args.push_back(word.c_str());
  std::ostringstream out, log;
  const int threads = safer::available_threads();
  const int status = safer::commands::safer(args, out, log);
  safer::set_threads(threads);
  return {status, out.str(), log.str()};
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

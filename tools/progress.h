#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>

namespace safer::commands {

/// How far a work has come and how long it may still take, on one line that is drawn again and again and erased at the end. Shown
/// on terminals only, and only once the work has taken longer than a second.
class Progress {
 public:
  using Clock = std::function<double()>;  // seconds since any moment

  /// `shown`: whether to draw at all; see is_terminal().
  Progress(std::ostream& log, bool shown, std::string what, Clock clock = seconds);
  ~Progress() { erase(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` of `total` steps of about equal length are done.
  void operator()(std::int64_t done, std::int64_t total);

 private:
  static double seconds();
  void erase();

  std::ostream& log_;
  std::string what_;
  Clock clock_;
  double start_, next_;
  std::size_t drawn_ = 0;  // characters on the line
  bool shown_;
};

/// A time in words, without more digits than an estimate deserves: "90 s", "12 min", "3.5 h".
std::string duration(double seconds);

/// Whether `stream` is standard error and that is a terminal.
bool is_terminal(const std::ostream& stream);

}  // namespace safer::commands

#include "tools/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <iostream>

#include "tools/table.h"

namespace safer::commands {
Progress::Progress(std::ostream& log, bool shown, std::string what, Clock clock)
    : log_(log), what_(std::move(what)), clock_(std::move(clock)), start_(clock_()), next_(start_ + 1), shown_(shown) {}

void Progress::operator()(std::int64_t done, std::int64_t total) {
  if (!shown_) return;
  const double now = clock_();
  if (now < next_ || done <= 0 || done >= total) return;
  next_ = now + 0.2;
  const double fraction = static_cast<double>(done) / static_cast<double>(total);
  std::string line = fmt::format("{} [{:<20}] {:3.0f} %, {} left", what_, bar(fraction, 20), 100 * fraction,
                                 duration((now - start_) * (1 - fraction) / fraction));
  const std::size_t length = line.size();
  line.resize(std::max(length, drawn_), ' ');  // over what a longer line left
  drawn_ = length;
  log_ << '\r' << line << std::flush;
}

void Progress::erase() {
  if (drawn_ > 0) log_ << '\r' << std::string(drawn_, ' ') << '\r' << std::flush;
  drawn_ = 0;
}

double Progress::seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::string duration(double seconds) {
  if (seconds < 99.5) return fmt::format("{:.0f} s", seconds);
  if (seconds < 99.5 * 60) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

bool is_terminal(const std::ostream& stream) { return &stream == &std::cerr && isatty(STDERR_FILENO) == 1; }

}  // namespace safer::commands

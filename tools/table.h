#pragma once

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace safer::commands {

/// Rows of text, printed as columns for people or as comma-separated values for programs.
class Table {
 public:
  enum class Align { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  /// As many cells as there are columns.
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  /// Aligned columns under their titles. Control characters, which names from a file may hold, are shown as '?'.
  void print(std::ostream& out) const;
  /// A line of titles, then one a row; cells with commas, quotes or line ends are quoted (RFC 4180).
  void print_csv(std::ostream& out) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// `fraction` of `width` characters, at least one where the fraction is positive; empty for what is not a number in 0..1.
std::string bar(double fraction, int width);

/// Whole numbers with commas between the thousands: 1,048,576.
std::string grouped(std::int64_t value);

}  // namespace safer::commands

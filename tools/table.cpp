#include "tools/table.h"

#include <algorithm>
#include <cmath>
#include <ostream>

namespace safer::commands {
namespace {

std::string printable(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return result;
}

/// Characters that a terminal shows: bytes that do not continue a UTF-8 character.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    quoted += c;
    if (c == '"') quoted += c;
  }
  return quoted + '"';
}

}  // namespace

void Table::print(std::ostream& out) const {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    widths.push_back(width(columns_[c].title));
    for (const auto& row : rows_) widths[c] = std::max(widths[c], width(row[c]));
  }
  const auto line = [&](const auto& cell) {
    std::string text;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const std::string shown = printable(cell(c));
      const std::string padding(widths[c] - width(shown), ' ');
      if (c > 0) text += "  ";
      text += columns_[c].align == Align::right ? padding + shown : shown + padding;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out << text << '\n';
  };
  line([&](std::size_t c) { return columns_[c].title; });
  for (const auto& row : rows_) line([&](std::size_t c) { return row[c]; });
}

void Table::print_csv(std::ostream& out) const {
  for (std::size_t c = 0; c < columns_.size(); ++c) out << (c > 0 ? "," : "") << csv_cell(columns_[c].title);
  out << '\n';
  for (const auto& row : rows_) {
    for (std::size_t c = 0; c < row.size(); ++c) out << (c > 0 ? "," : "") << csv_cell(row[c]);
    out << '\n';
  }
}

std::string bar(double fraction, int width) {
  if (!(fraction > 0 && fraction <= 1)) return {};
  return std::string(static_cast<std::size_t>(std::max(1L, std::lround(fraction * width))), '#');
}

std::string grouped(std::int64_t value) {
  std::string text = std::to_string(value);
  const std::size_t digits = value < 0 ? 1 : 0;
  for (std::size_t i = text.size(); i > digits + 3; i -= 3) text.insert(i - 3, 1, ',');
  return text;
}

}  // namespace safer::commands

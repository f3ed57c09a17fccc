#include "tools/testbed_output.h"

#include <fmt/ranges.h>

#include <ostream>

#include "tools/table.h"

namespace safer::commands {
namespace {

constexpr std::array metrics = {Metric::exact, Metric::settled, Metric::tau_b, Metric::pairwise, Metric::tied};
constexpr std::array<std::string_view, 5> metric_titles = {
    "Exactly right orders, %", "Networks whose settled pairs are all in the right order, %", "Kendall's tau-b",
    "Pairs in the right order, %", "Pairs that the ranker ties, %"};

std::string_view family_name(const Row& row) { return moons_names[static_cast<std::size_t>(row.family)]; }
std::string_view noise_name(const Row& row) { return noise_names[static_cast<std::size_t>(row.condition.noise)]; }
std::string_view place_name(const Row& row) { return place_names[static_cast<std::size_t>(row.condition.place)]; }

std::string value_text(const Cell& cell, Metric metric) {
  const double mean = of(cell, metric).mean;
  if (cell.networks == 0 || std::isnan(mean)) return "-";
  return metric == Metric::tau_b ? fmt::format("{:.2f}", mean) : fmt::format("{:.0f}", 100 * mean);
}

/// The columns of one kind, criteria or references, by one metric.
void print_part(std::ostream& out, const Table1& table, Metric metric, bool reference) {
  using enum Table::Align;
  std::vector<Table::Column> columns = {{"family"}, {"noise"}, {"on"}, {"networks", right}};
  for (const Column& column : table.columns)
    if (column.reference == reference) columns.push_back({column.criterion, right});
  if (columns.size() == 4) return;
  Table text(columns);
  const auto add = [&](std::vector<std::string> cells, const std::vector<Cell>& values) {
    for (std::size_t i = 0; i < values.size(); ++i)
      if (table.columns[i].reference == reference) cells.push_back(value_text(values[i], metric));
    text.add(std::move(cells));
  };
  for (const Row& row : table.rows)
    add({std::string(family_name(row)), std::string(noise_name(row)), std::string(place_name(row)), std::to_string(row.networks)},
        row.cells);
  add({"average", "", "", ""}, table.average);
  text.print(out);
  out << '\n';
}

std::string heading(const TableReport& report, std::string_view reduction) {
  return fmt::format("preset {}{}; truth: {} damage of {}; seed {}\n\n", report.options.preset, reduction,
                     damage_names[static_cast<std::size_t>(report.options.damage)],
                     report.options.blocks ? "blocks (the largest of a block's layers)" : "layers", report.seed);
}

Json cell_json(const Cell& cell) {
  Json json = {{"networks", cell.networks}, {"settled_networks", cell.settled_networks}};
  for (std::size_t i = 0; i < metrics.size(); ++i)
    json[std::string(metric_names[i])] = {{"mean", number(of(cell, metrics[i]).mean)},
                                          {"error", number(of(cell, metrics[i]).error)}};
  return json;
}

Json heading_json(const TableReport& report) {
  return {{"preset", report.options.preset},
          {"damage", damage_names[static_cast<std::size_t>(report.options.damage)]},
          {"blocks", report.options.blocks},
          {"seed", report.seed}};
}

std::vector<std::string> cell_texts(const Cell& cell) {
  std::vector<std::string> texts = {std::to_string(cell.networks), std::to_string(cell.settled_networks)};
  for (const Metric metric : metrics) {
    texts.push_back(csv_number(of(cell, metric).mean));
    texts.push_back(csv_number(of(cell, metric).error));
  }
  return texts;
}

void add_cell_columns(std::vector<Table::Column>& columns) {
  columns.insert(columns.end(), {{"networks"}, {"settled_networks"}});
  for (const std::string_view name : metric_names) {
    columns.push_back({std::string(name)});
    columns.push_back({fmt::format("{}_error", name)});
  }
}

}  // namespace

void print_table1(std::ostream& out, const Table1& table, const TableReport& report) {
  out << "Table 1: " << heading(report, ", reduction " + report.reduction);
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    out << metric_titles[i] << "\n\n";
    print_part(out, table, metrics[i], false);
    print_part(out, table, metrics[i], true);
  }
  Table open(
      {{"family"}, {"noise"}, {"on"}, {"pairs left open, %", Table::Align::right}, {"damage not a number", Table::Align::right}});
  for (const Row& row : table.rows)
    open.add({std::string(family_name(row)), std::string(noise_name(row)), std::string(place_name(row)),
              fmt::format("{:.1f}", 100 * row.open_pairs), std::to_string(row.unmeasurable)});
  out << "What the measurement left open\n\n";
  open.print(out);
  if (const std::vector<std::string> names = table.no_better_than_random(); !names.empty())
    out << fmt::format("\nNot better than random orders, by average tau-b and two standard errors: {}\n", fmt::join(names, ", "));
}

void print_table2(std::ostream& out, const Table2& table, const TableReport& report) {
  using enum Table::Align;
  out << "Table 2: reductions, averaged over criteria, families and noises; " << heading(report, "");
  Table text(
      {{"reduction"}, {"exact, %", right}, {"settled, %", right}, {"tau-b", right}, {"pairs, %", right}, {"tied, %", right}});
  for (const Table2::Line& line : table.lines) {
    std::vector<std::string> cells = {line.reduction};
    for (const Metric metric : metrics)
      cells.push_back(fmt::format("{:.{}f}", (metric == Metric::tau_b ? 1 : 100) * of(line.average, metric).mean,
                                  metric == Metric::tau_b ? 3 : 1));
    text.add(std::move(cells));
  }
  text.print(out);
}

Json table1_json(const Table1& table, const TableReport& report) {
  Json json = heading_json(report), rows = Json::array(), average = Json::array();
  const auto cells = [&](const std::vector<Cell>& values) {
    Json list = Json::array();
    for (std::size_t i = 0; i < values.size(); ++i) {
      Json cell = {{"criterion", table.columns[i].criterion}, {"reference", table.columns[i].reference}};
      cell.update(cell_json(values[i]));
      list.push_back(std::move(cell));
    }
    return list;
  };
  for (const Row& row : table.rows)
    rows.push_back({{"family", family_name(row)},
                    {"noise", noise_name(row)},
                    {"on", place_name(row)},
                    {"networks", row.networks},
                    {"unmeasurable", row.unmeasurable},
                    {"open_pairs", row.open_pairs},
                    {"cells", cells(row.cells)}});
  json["reduction"] = report.reduction;
  json["rows"] = rows;
  json["average"] = cells(table.average);
  json["no_better_than_random"] = table.no_better_than_random();
  return json;
}

Json table2_json(const Table2& table, const TableReport& report) {
  Json json = heading_json(report), lines = Json::array();
  for (const Table2::Line& line : table.lines) {
    Json one = {{"reduction", line.reduction}};
    one.update(cell_json(line.average));
    lines.push_back(std::move(one));
  }
  json["reductions"] = lines;
  return json;
}

void print_table1_csv(std::ostream& out, const Table1& table) {
  std::vector<Table::Column> columns = {{"family"}, {"noise"}, {"on"}, {"preset"}, {"criterion"}, {"reduction"}, {"reference"}};
  add_cell_columns(columns);
  Table text(columns);
  for (const Row& row : table.rows)
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
      const Column& column = table.columns[i];
      std::vector<std::string> cells = {std::string(family_name(row)),
                                        std::string(noise_name(row)),
                                        std::string(place_name(row)),
                                        column.preset,
                                        column.criterion,
                                        column.reduction,
                                        column.reference ? "1" : "0"};
      for (std::string& cell : cell_texts(row.cells[i])) cells.push_back(std::move(cell));
      text.add(std::move(cells));
    }
  text.print_csv(out);
}

void print_table2_csv(std::ostream& out, const Table2& table) {
  std::vector<Table::Column> columns = {{"reduction"}};
  add_cell_columns(columns);
  Table text(columns);
  for (const Table2::Line& line : table.lines) {
    std::vector<std::string> cells = {line.reduction};
    for (std::string& cell : cell_texts(line.average)) cells.push_back(std::move(cell));
    text.add(std::move(cells));
  }
  text.print_csv(out);
}

}  // namespace safer::commands

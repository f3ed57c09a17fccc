#pragma once

#include <iosfwd>

#include "criteria/testbed/database/tables.h"
#include "tools/report.h"

namespace safer::commands {

/// What of a table is printed, and how it was made.
struct TableReport {
  TableOptions options;
  std::string reduction;  // that Table 1 is about
  std::string seed;       // of the file
};

/// For people: a table for each metric in percent (tau-b as it is), criteria and then references, with the average below.
void print_table1(std::ostream& out, const Table1& table, const TableReport& report);
void print_table2(std::ostream& out, const Table2& table, const TableReport& report);

Json table1_json(const Table1& table, const TableReport& report);
Json table2_json(const Table2& table, const TableReport& report);

/// A line for each row and column.
void print_table1_csv(std::ostream& out, const Table1& table);
void print_table2_csv(std::ostream& out, const Table2& table);

}  // namespace safer::commands

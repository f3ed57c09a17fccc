#pragma once

#include <string>
#include <vector>

#include "criteria/testbed/database/cases.h"

namespace safer {

/// How well one ranker finds the true order of the layers, over many networks; each mean with its standard error. A network whose
/// damage is not a number counts as one that was got wrong in every respect, whoever ranked it.
struct Cell {
  int networks = 0;
  Estimate exact = {};  // share of completely right orders
  int settled_networks = 0;
  Estimate settled = {};   // of the networks with settled pairs, the share of which all are in the right order
  Estimate tau_b = {};     // Kendall's
  Estimate pairwise = {};  // share of pairs in the right order, ties counting half
  Estimate tied = {};      // share of pairs that the ranker ties
};

enum class Metric { exact, settled, tau_b, pairwise, tied };
constexpr std::array<std::string_view, 5> metric_names = {"exact", "settled", "tau-b", "pairwise", "tied"};
const Estimate& of(const Cell& cell, Metric metric);

/// A ranker: a criterion with its preset and reduction, or one of the references
///   random         an order drawn for each network and condition
///   depth          the first layer is the most important
///   depth-reverse  the last one is
///   parameters     the layer with the most weights is
///   best-order     for each network the one order that agrees best with all its conditions: the most that can be reached by what
///                  does not know the noise. Of the true orders of the conditions and their mean, the one that is most often
///                  exactly right; of these the one with the largest mean tau-b
///   linear, reparametrised, monte-carlo  know the noise, see score.h
///   ceiling        an independent second measurement
struct Column {
  std::string preset, criterion, reduction;  // references have no preset and no reduction
  bool reference = false;
};

struct Row {
  MoonsFamily family;
  Condition condition;
  int networks = 0, unmeasurable = 0;  // the latter have damage that is not a number
  double open_pairs = 0;               // mean share of pairs whose order the measurement left open
  std::vector<Cell> cells;             // by column
};

/// Table 1 of SAfER, for one preset and reduction: rows are families and conditions, columns criteria and references.
struct Table1 {
  std::vector<Column> columns;
  std::vector<Row> rows;
  std::vector<Cell> average;  // by column: mean of the rows that have scores
  /// The criteria whose average tau-b is not at least two standard errors of the difference above that of random orders.
  std::vector<std::string> no_better_than_random() const;
};

struct TableOptions {
  std::string preset = "paper";
  std::string reduction = {};  // empty: the preset's
  Damage damage = Damage::probabilities;
  bool blocks = false;  // rank whole blocks of transformers instead of single matrices
};
/// Throws Error when the file is no testbed or has no measured networks, and for unknown names.
Table1 table1(Database& database, const TableOptions& options);

/// Table 2: how good each reduction is, averaged over all criteria and rows of Table 1.
struct Table2 {
  struct Line {
    std::string reduction;
    Cell average;
  };
  std::vector<Line> lines;
};
Table2 table2(Database& database, const TableOptions& options);

}  // namespace safer

#include <algorithm>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "criteria/layer_scores.h"
#include "engine/kernels/dispatch.h"
#include "engine/tape/plan.h"
#include "models/model_spec.h"
#include "tools/arguments.h"
#include "tools/command.h"
#include "tools/inputs.h"
#include "tools/report.h"
#include "tools/table.h"

namespace safer::commands {
namespace {

constexpr Option options[] = {
    weights_option,
    {"batch", "N", "number of samples that run at once, for the memory of a run", "1"},
};
constexpr Usage usage = {"info", "Layers, sizes, memory and instruction sets.", "[MODEL]", options, input_help};

/// A weight, or a named part of one, or a parameter that is not ranked.
struct Row {
  std::string name, op, role;
  Shape shape;
  std::int64_t multiply_adds = 0;  // for one sample
  bool ranked = false;
};

constexpr std::string_view role_names[] = {"weight", "bias", "norm", "embedding", "buffer"};

std::int64_t multiply_adds(const Tape& tape, ValueId id) {
  const Node& node = tape.node(id);
  if (!node.op) return 0;
  std::vector<Shape> in;
  for (const ValueId input : node.inputs) in.push_back(tape.node(input).type.at(1));
  return node.op->multiply_adds(in, node.type.at(1));
}

/// By parameter id.
std::map<int, Row> parameters_in_use(const Tape& tape) {
  std::map<int, Row> rows;
  for (ValueId id = 0; id < tape.size(); ++id)
    for (const ValueId input : tape.node(id).inputs) {
      const int parameter = tape.node(input).parameter;
      if (parameter < 0) continue;
      const ParameterSpec& spec = (*tape.parameters())[parameter];
      rows.try_emplace(parameter, Row{.name = spec.name,
                                      .op = std::string(tape.node(id).op->name()),
                                      .role = std::string(role_names[static_cast<std::size_t>(spec.role)]),
                                      .shape = spec.shape});
    }
  return rows;
}

/// All parameters in the order in which they were declared; weights with named parts as these.
std::vector<Row> parameter_rows(const Tape& tape) {
  std::map<int, Row> all = parameters_in_use(tape);
  std::map<int, std::vector<Row>> parts;
  for (const Layer& layer : tape.layers()) {
    Row row = all.at(layer.parameter);
    row.name = layer.name;
    row.ranked = true;
    const std::int64_t all_weights = row.shape.size();
    row.shape = layer_shape(layer, row.shape);
    for (const ValueId use : layer.uses)
      row.multiply_adds += multiply_adds(tape, use) * row.shape.size() / std::max<std::int64_t>(1, all_weights);
    parts[layer.parameter].push_back(row);
  }
  std::vector<Row> rows;
  for (auto& [parameter, row] : all) {
    if (parts.contains(parameter))
      rows.insert(rows.end(), parts[parameter].begin(), parts[parameter].end());
    else
      rows.push_back(row);
  }
  return rows;
}

struct Totals {
  std::int64_t parameters = 0, ranked = 0, buffers = 0, multiply_adds = 0, batch = 1;  // buffers: not among the parameters
  std::size_t bytes = 0;                                                               // of a run
};

Totals totals(const Network& network, const std::vector<Row>& rows, std::int64_t batch) {
  Totals sum{.batch = batch};
  const ParameterTable& table = *network.tape.parameters();
  for (int id = 0; id < table.size(); ++id)
    (table[id].role == Role::buffer ? sum.buffers : sum.parameters) += table[id].shape.size();
  for (const Row& row : rows) sum.ranked += row.ranked ? row.shape.size() : 0;
  for (ValueId id = 0; id < network.tape.size(); ++id) sum.multiply_adds += multiply_adds(network.tape, id);
  sum.bytes = Plan(network.tape, {.batch = batch, .outputs = {network.logits}}).bytes();
  return sum;
}

Json kernels_json() {
  Json sets = Json::array();
  for (const kernels::Isa& isa : kernels::isas())
    sets.push_back({{"name", isa.table->name}, {"runs_here", isa.runs_here()}, {"proven", isa.proven}});
  return {{"active", kernels::active().name}, {"built", sets}};
}

std::string kernels_text() {
  std::string text(kernels::active().name);
  text += " in use; this build has";
  for (const kernels::Isa& isa : kernels::isas())
    text += fmt::format(" {}{}", isa.table->name, !isa.runs_here() ? " (not on this processor)" : !isa.proven ? " (unproven)" : "");
  return text + "; SAFER_ISA=NAME chooses";
}

void print(const Network& network, const std::vector<Row>& rows, const Totals& sum, Format format, std::ostream& out) {
  using enum Table::Align;
  Table table({{"name"}, {"op"}, {"role"}, {"shape"}, {"parameters", right}, {"multiply-adds", right}, {"ranked"}});
  const auto count = [&](std::int64_t value) { return format == Format::text ? grouped(value) : std::to_string(value); };
  Json layers = Json::array();
  for (const Row& row : rows) {
    table.add({row.name, row.op, row.role, row.shape.str(), count(row.shape.size()), row.ranked ? count(row.multiply_adds) : "",
               row.ranked ? "yes" : "no"});
    layers.push_back({{"name", row.name},
                      {"op", row.op},
                      {"role", row.role},
                      {"shape", sizes(row.shape)},
                      {"parameters", row.shape.size()},
                      {"multiply_adds", row.multiply_adds},
                      {"ranked", row.ranked}});
  }
  if (format == Format::csv) return table.print_csv(out);
  if (format == Format::json)
    return print_json(out, {{"model", network.name},
                            {"input", sizes(network.sample_shape())},
                            {"classes", network.classes()},
                            {"layers", layers},
                            {"parameters", sum.parameters},
                            {"ranked_parameters", sum.ranked},
                            {"running_statistics", sum.buffers},
                            {"multiply_adds", sum.multiply_adds},
                            {"memory", {{"batch", sum.batch}, {"bytes", sum.bytes}}},
                            {"kernels", kernels_json()}});
  out << fmt::format("{}: input {}, {} classes, {} operations\n\n", network.name, network.sample_shape(), network.classes(),
                     std::ranges::count(network.tape.nodes(), Node::Kind::op, &Node::kind));
  table.print(out);
  out << fmt::format("\nparameters     {}, of which {} are weights that can be ranked{}\n", grouped(sum.parameters),
                     grouped(sum.ranked), sum.buffers > 0 ? fmt::format("; {} running statistics", grouped(sum.buffers)) : "")
      << fmt::format("multiply-adds  {} a sample\n", grouped(sum.multiply_adds))
      << fmt::format("memory         {} bytes for a run of {} sample{}, beside the parameters\n",
                     grouped(static_cast<std::int64_t>(sum.bytes)), sum.batch, sum.batch == 1 ? "" : "s")
      << fmt::format("kernels        {}\n", kernels_text());
}

}  // namespace

int info(std::span<const char* const> args, std::ostream& out, std::ostream& log) {
  const Arguments given(usage, args);
  if (given.wants_help()) return out << given.help(), 0;
  const Common common = common_options(given, log);
  const std::int64_t batch = given.integer("batch", 1, 1 << 20);
  const Network network = given.has("weights") ? load_network(given, common, log) : record_model(model_argument(given));
  const std::vector<Row> rows = parameter_rows(network.tape);
  print(network, rows, totals(network, rows, batch), common.format, out);
  return 0;
}

}  // namespace safer::commands

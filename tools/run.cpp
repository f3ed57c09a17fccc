#include <fmt/format.h>

#include <ostream>

#include "models/evaluation.h"
#include "models/formats/npy.h"
#include "tools/arguments.h"
#include "tools/command.h"
#include "tools/inputs.h"
#include "tools/progress.h"
#include "tools/report.h"
#include "tools/table.h"

namespace safer::commands {
namespace {

constexpr Option options[] = {
    weights_option,
    data_option,
    {"out", "OUTPUTS.npy", "where the outputs (logits) go: float32 [samples, classes]"},
};
constexpr Usage usage = {"run", "Writes a network's outputs for some data.", "MODEL", options, input_help};

}  // namespace

int run(std::span<const char* const> args, std::ostream& out, std::ostream& log) {
  const Arguments given(usage, args);
  if (given.wants_help()) return out << given.help(), 0;
  const Common common = common_options(given, log);
  const std::string file = given.required("out");
  check_data_argument(given);
  const Network network = load_network(given, common, log);
  const DataSource data = open_dataset(given, network, Split::test);
  Tensor outputs;
  {
    Progress progress(log, common.progress, "running");
    outputs = predict(network, data, [&](std::int64_t done, std::int64_t total) { progress(done, total); });
  }
  write_npy(file, outputs);

  if (common.format == Format::json) {
    print_json(out, {{"model", network.name}, {"data", data.name}, {"outputs", file}, {"shape", sizes(outputs.shape())}});
  } else if (common.format == Format::csv) {
    Table table({{"model"}, {"data"}, {"outputs"}, {"shape"}});
    table.add({network.name, data.name, file, outputs.shape().str()});
    table.print_csv(out);
  } else {
    out << fmt::format("{}: outputs of {} for {}, {} float32\n", file, network.name, data.name, outputs.shape());
  }
  return 0;
}

}  // namespace safer::commands

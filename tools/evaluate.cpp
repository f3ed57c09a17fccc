#include <fmt/format.h>

#include <ostream>

#include "models/evaluation.h"
#include "tools/arguments.h"
#include "tools/command.h"
#include "tools/inputs.h"
#include "tools/progress.h"
#include "tools/report.h"
#include "tools/table.h"

namespace safer::commands {
namespace {

constexpr Option options[] = {weights_option, data_option};
constexpr Usage usage = {"evaluate", "Accuracy and cross-entropy on labelled data.", "MODEL", options, input_help};

}  // namespace

int evaluate(std::span<const char* const> args, std::ostream& out, std::ostream& log) {
  const Arguments given(usage, args);
  if (given.wants_help()) return out << given.help(), 0;
  const Common common = common_options(given, log);
  check_data_argument(given);
  const Network network = load_network(given, common, log);
  const DataSource data = open_dataset(given, network, Split::test);
  Evaluation found;
  {
    Progress progress(log, common.progress, "evaluating");
    found = safer::evaluate(network, data, [&](std::int64_t done, std::int64_t total) { progress(done, total); });
  }

  if (common.format == Format::json) {
    print_json(out, {{"model", network.name},
                     {"data", data.name},
                     {"samples", found.samples},
                     {"correct", found.correct},
                     {"accuracy", found.accuracy},
                     {"cross_entropy", number(found.cross_entropy)}});
  } else if (common.format == Format::csv) {
    Table table({{"model"}, {"data"}, {"samples"}, {"correct"}, {"accuracy"}, {"cross_entropy"}});
    table.add({network.name, data.name, std::to_string(found.samples), std::to_string(found.correct), csv_number(found.accuracy),
               csv_number(found.cross_entropy)});
    table.print_csv(out);
  } else {
    out << fmt::format("{} on {}: accuracy {:.2f} % ({} of {}), cross-entropy {:.4f} nats\n", network.name, data.name,
                       100 * found.accuracy, found.correct, found.samples, found.cross_entropy);
  }
  return 0;
}

}  // namespace safer::commands

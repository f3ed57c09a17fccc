#include <fmt/format.h>

#include <limits>
#include <ostream>
#include <vector>

#include "models/evaluation.h"
#include "models/model_spec.h"
#include "models/training.h"
#include "tools/arguments.h"
#include "tools/command.h"
#include "tools/inputs.h"
#include "tools/progress.h"
#include "tools/report.h"
#include "tools/table.h"

namespace safer::commands {
namespace {

constexpr Option options[] = {
    {"weights", "FILE.safetensors", "weights to start from; without them from random ones"},
    data_option,
    {"out", "FILE.safetensors", "where the trained weights go"},
    {"epochs", "N", "how often every sample is used", "6"},
    {"batch", "N", "samples a step", "32"},
    {"learning-rate", "R", "of Adam", "0.01"},
    {"seed", "S", "of the order of samples and of dropped branches", "1"},
};
constexpr Usage usage = {"train", "Trains a network with Adam on cross-entropy.", "MODEL", options, input_help};

TrainOptions train_options(const Arguments& given) {
  TrainOptions chosen;
  chosen.epochs = static_cast<int>(given.integer("epochs", 1, 1'000'000));
  chosen.batch = given.integer("batch", 1, 1 << 20);
  chosen.learning_rate = given.number("learning-rate", 0, 1000);
  chosen.seed = static_cast<std::uint64_t>(given.integer("seed", 0, std::numeric_limits<std::int64_t>::max()));
  return chosen;
}

void print(std::ostream& out, Format format, const Network& network, const Dataset& data, const TrainOptions& chosen,
           const std::vector<double>& losses, const Evaluation& fit, const std::string& file) {
  using enum Table::Align;
  if (format == Format::json)
    return print_json(out, {{"model", network.name},
                            {"data", data.name},
                            {"samples", data.size()},
                            {"epochs", chosen.epochs},
                            {"batch", chosen.batch},
                            {"learning_rate", chosen.learning_rate},
                            {"seed", chosen.seed},
                            {"losses", losses},
                            {"training_accuracy", fit.accuracy},
                            {"weights", file}});
  Table table({{"epoch", right}, {"loss", right}});
  for (std::size_t epoch = 0; epoch < losses.size(); ++epoch)
    table.add(
        {std::to_string(epoch + 1), format == Format::csv ? csv_number(losses[epoch]) : fmt::format("{:.4f}", losses[epoch])});
  if (format == Format::csv) return table.print_csv(out);
  out << fmt::format("{} on {}: {} samples in batches of {}, Adam, learning rate {}, seed {}\n\n", network.name, data.name,
                     data.size(), chosen.batch, chosen.learning_rate, chosen.seed);
  table.print(out);
  out << fmt::format("\ntraining accuracy {:.2f} %; weights in {}\n", 100 * fit.accuracy, file);
}

}  // namespace

int train(std::span<const char* const> args, std::ostream& out, std::ostream& log) {
  const Arguments given(usage, args);
  if (given.wants_help()) return out << given.help(), 0;
  const Common common = common_options(given, log);
  TrainOptions chosen = train_options(given);
  const std::string file = given.required("out");
  check_data_argument(given);
  Network network = given.has("weights") ? load_network(given, common, log) : untrained_model(model_argument(given));
  const Dataset data = load_dataset(given, network, Split::training);
  std::vector<double> losses;
  {
    Progress progress(log, common.progress, "training");
    chosen.progress = [&](const TrainProgress& now) { progress(now.step, now.steps); };
    losses = safer::train(network, data, chosen);
  }
  save_model(network, file);
  print(out, common.format, network, data, chosen, losses, safer::evaluate(network, data), file);
  return 0;
}

}  // namespace safer::commands

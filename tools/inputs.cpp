#include "tools/inputs.h"

#include <fmt/ranges.h>

#include <filesystem>
#include <optional>

#include "models/model_spec.h"
#include "tools/progress.h"

namespace safer::commands {

std::string input_help() {
  return fmt::format(
      "\nMODEL is one of {} (default: {}), followed by\n"
      "':depth=4,width=32,seed=1' and the like where it is to differ from the default.\n"
      "DATA is one of {}.\n",
      fmt::join(model_names(), ", "), default_model, data_choices);
}

std::string model_argument(const Arguments& given) {
  return given.positional().empty() ? std::string(default_model) : given.positional();
}

Network load_network(const Arguments& given, const Common& common, std::ostream& log) {
  std::optional<std::filesystem::path> weights;
  if (given.has("weights")) weights = given.text("weights");
  Progress progress(log, common.progress, "training");
  return load_model(model_argument(given), weights, [&](const TrainProgress& now) { progress(now.step, now.steps); });
}

Dataset load_dataset(const Arguments& given, Split split) { return load_data(given.required("data"), split); }

}  // namespace safer::commands

#include "tools/inputs.h"

#include <fmt/format.h>

#include <filesystem>
#include <optional>

#include "models/model_spec.h"
#include "tools/progress.h"

namespace safer::commands {

std::string input_help() {
  constexpr std::size_t widest = 110;
  std::string text = "\nMODEL is a file ending in .onnx, or one of";
  std::size_t column = text.size();
  for (const std::string_view name : model_names()) {
    const bool last = name == model_names().back();
    const bool fits = column + name.size() + 2 <= widest;
    text += fmt::format("{}{}{}", fits ? " " : "\n", name, last ? "" : ",");
    column = (fits ? column : 0) + name.size() + 2;
  }
  return text +
         fmt::format(
             " (default: {}).\nmoons networks may be followed by ':depth=4,width=32,seed=1' and the like.\nDATA is one of {}.\n",
             default_model, data_choices);
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

void check_data_argument(const Arguments& given) {
  parse_data(given.text("data").empty() ? given.required("data") : given.text("data"));
}

Dataset load_dataset(const Arguments& given, const Network& network, Split split, const Subset& subset) {
  return open_dataset(given, network, split, subset).load();
}

DataSource open_dataset(const Arguments& given, const Network& network, Split split, const Subset& subset) {
  return open_data(given.text("data"), split, subset, network.pixels, usual_photo_size(network.sample_shape()));
}

}  // namespace safer::commands

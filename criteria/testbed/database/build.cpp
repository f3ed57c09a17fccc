#include "criteria/testbed/database/build.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

#include "criteria/layer_scores.h"
#include "engine/error.h"
#include "models/data/moons.h"
#include "models/evaluation.h"
#include "models/moons_spec.h"
#include "models/training.h"

namespace safer {
namespace {

constexpr std::int64_t training_points = 2000, test_points = 1000;

/// All that is written about one network.
struct Measured {
  Specimen specimen;
  Network network;
  double accuracy = 0;
  struct One {
    Condition condition;
    int repetition;
    Measurement measurement;
  };
  std::vector<One> measurements;
  bool used() const { return accuracy >= least_accuracy; }
};

Measured make(const Recipe& recipe, const Specimen& specimen) {
  Measured made{.specimen = specimen, .network = untrained_moons(specimen.options), .measurements = {}};
  train(made.network, make_moons(training_points, data_noise, specimen.data_seed), {.seed = specimen.options.seed});
  made.accuracy = evaluate(made.network, make_moons(test_points, data_noise, specimen.data_seed, Split::test)).accuracy;
  if (!made.used()) return made;
  for (int repetition = 0; repetition < repetitions; ++repetition) {
    const Dataset data = measurement_data(specimen, repetition);
    for (const Condition& condition : conditions(recipe, specimen.family))
      made.measurements.push_back(
          {condition, repetition, measure(made.network, data, measure_options(recipe, specimen, condition, repetition))});
  }
  return made;
}

/// Writes what was measured; one at a time.
class Writer {
 public:
  Writer(Database& database, const Recipe& recipe);
  void write(const Measured& made);

 private:
  void write_network(const Measured& made);
  void write_measurement(std::int64_t network, const Measured::One& one);

  Database& database_;
  const Recipe& recipe_;
  Statement network_, tensor_, layer_, measurement_, damage_, level_damage_, settled_;
};

Writer::Writer(Database& database, const Recipe& recipe)
    : database_(database),
      recipe_(recipe),
      network_(database.prepare("INSERT INTO network VALUES(?, ?, ?, ?, ?, ?, ?)")),
      tensor_(database.prepare("INSERT INTO tensor VALUES(?, ?, ?, ?, ?)")),
      layer_(database.prepare("INSERT INTO layer VALUES(?, ?, ?, ?, ?)")),
      measurement_(database.prepare("INSERT INTO measurement VALUES(?, ?, ?, ?, ?, ?)")),
      damage_(database.prepare("INSERT INTO damage VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)")),
      level_damage_(database.prepare("INSERT INTO level_damage VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)")),
      settled_(database.prepare("INSERT INTO settled VALUES(?, ?, ?, ?)")) {}

void Writer::write_network(const Measured& made) {
  const std::int64_t id = made.specimen.id();
  network_.run(id, moons_names[static_cast<std::size_t>(made.specimen.family)], made.specimen.number,
               moons_text(made.specimen.options), static_cast<std::int64_t>(made.specimen.data_seed), made.accuracy,
               int{made.used()});
  const Parameters& parameters = made.network.parameters;
  for (int i = 0; i < parameters.size(); ++i)
    tensor_.run(id, i, parameters.spec(i).name, parameters.spec(i).shape.str(),
                std::span<const std::byte>(parameters[i].raw(), parameters[i].bytes()));
  const std::vector<Layer> layers = measured_layers(made.network, recipe_.rank_head);
  for (std::size_t i = 0; i < layers.size(); ++i)
    layer_.run(id, i, layers[i].name, block_of(layers[i].name),
               layer_shape(layers[i], parameters.spec(layers[i].parameter).shape).size());
}

void Writer::write_measurement(std::int64_t network, const Measured::One& one) {
  const auto noise = static_cast<std::int64_t>(one.condition.noise), place = static_cast<std::int64_t>(one.condition.place);
  const std::int64_t id = network * 100 + noise * 10 + place * 5 + one.repetition;
  measurement_.run(id, network, noise_names[static_cast<std::size_t>(noise)], place_names[static_cast<std::size_t>(place)],
                   one.repetition, one.measurement.looks);
  for (std::size_t i = 0; i < one.measurement.layers.size(); ++i) {
    const LayerDamage& layer = one.measurement.layers[i];
    const auto& [logits, probabilities, accuracy] = layer.mean;
    damage_.run(id, i, layer.draws, logits.mean, logits.error, probabilities.mean, probabilities.error, accuracy.mean,
                accuracy.error);
    for (std::size_t level = 0; level < layer.by_level.size(); ++level) {
      const auto& [z, p, a] = layer.by_level[level];
      level_damage_.run(id, i, recipe_.levels[level], z.mean, z.error, p.mean, p.error, a.mean, a.error);
    }
  }
  for (std::size_t kind = 0; kind < damage_count; ++kind)
    for (const auto& [above, below] : one.measurement.order[kind].pairs) settled_.run(id, damage_names[kind], above, below);
}

void Writer::write(const Measured& made) {
  Transaction transaction(database_);
  write_network(made);
  for (const Measured::One& one : made.measurements) write_measurement(made.specimen.id(), one);
  transaction.commit();
}

std::vector<Specimen> missing(Database& database, const BuildOptions& options, BuildResult& result) {
  std::vector<Specimen> wanted;
  Statement find = database.prepare("SELECT used FROM network WHERE id = ?");
  for (std::int64_t number = 0; number < options.networks; ++number)
    for (const MoonsFamily family : options.families) {
      const Specimen one = specimen(options.recipe, family, number);
      if (!find.bind(one.id()).step()) {
        wanted.push_back(one);
      } else {
        ++result.there;
        result.unused += find.integer(0) == 0;
      }
    }
  return wanted;
}

}  // namespace

void each_in_parallel(std::int64_t count, const std::function<void(std::int64_t)>& work) {
  std::atomic<bool> stop = false;
  std::exception_ptr first;
  std::mutex mutex;
  const auto one = [&](std::int64_t i) {
    if (stop) return;
    try {
      work(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!stop) first = std::current_exception();
      stop = true;
    }
  };
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic, 1)
#endif
  for (std::int64_t i = 0; i < count; ++i) one(i);
  if (first) std::rethrow_exception(first);
}

BuildResult build(Database& database, const BuildOptions& options) {
  create_tables(database);
  agree_on_settings(database, settings_of(options.recipe));
  BuildResult result;
  const std::vector<Specimen> wanted = missing(database, options, result);
  Writer writer(database, options.recipe);
  std::mutex mutex;
  each_in_parallel(std::ssize(wanted), [&](std::int64_t i) {
    const Measured made = make(options.recipe, wanted[static_cast<std::size_t>(i)]);
    const std::lock_guard lock(mutex);
    writer.write(made);
    ++result.made;
    result.unused += !made.used();
    if (options.progress) options.progress(result.made, std::ssize(wanted));
  });
  return result;
}

Network read_network(Database& database, const Specimen& specimen) {
  Network network = record_moons_network(specimen.options);
  network.parameters = Parameters(network.tape.parameters());
  Statement rows = database.prepare("SELECT name, value FROM tensor WHERE network = ? ORDER BY position");
  int read = 0;
  for (rows.bind(specimen.id()); rows.step(); ++read) {
    const int id = network.parameters.id(rows.text(0));
    const std::span<const std::byte> bytes = rows.blob(1);
    const std::span<float> values = network.parameters.mutable_values<float>(id);
    if (bytes.size() != values.size_bytes())
      throw Error("{}: tensor '{}' of network {} has {} bytes, expected {}", database.file(), rows.text(0), specimen.id(),
                  bytes.size(), values.size_bytes());
    std::ranges::copy(bytes, std::as_writable_bytes(values).begin());
  }
  if (read != network.parameters.size())
    throw Error("{}: network {} has {} tensors, expected {}", database.file(), specimen.id(), read, network.parameters.size());
  return network;
}

}  // namespace safer

#pragma once

#include <cstdint>
#include <vector>

#include "criteria/testbed/database/schema.h"
#include "criteria/testbed/measure.h"
#include "models/moons.h"

namespace safer {

/// How the networks of a testbed are made and measured.
struct Recipe {
  std::uint64_t seed = 0;
  std::vector<double> levels = NoiseSweep{}.levels;
  std::vector<Noise> noises = {Noise::zero, Noise::gaussian, Noise::impulse};  // those of the paper
  int first_draws = 32, most_draws = 1024;
  std::int64_t points = 16;    // of a draw
  std::int64_t samples = 256;  // unlabelled ones that layers are scored from
  bool rank_head = false;      // whether the last layer is measured and ranked
  bool all_places = false;     // noise on activations for all families, not only for moons-vanilla as in the paper
};

/// Everything that the content of a testbed depends on, for agree_on_settings(); the kernels in use too, since other ones round
/// differently. The noises and the number of samples are among them only where they are not the default.
Settings settings_of(const Recipe& recipe);
/// The inverse. Throws Error when the file's are not those of a testbed.
Recipe recipe_of(Database& database);

/// A network of the testbed: depth uniform in 2..6, each width uniform in 8..128 (of transformers the multiples of their heads),
/// trained for 6 epochs on 2000 points of its own. A function of the seed, the family and the number alone.
struct Specimen {
  MoonsFamily family = MoonsFamily::vanilla;
  std::int64_t number = 0;  // from 0, within the family
  MoonsOptions options = {};
  std::uint64_t data_seed = 0;

  std::int64_t id() const;  // in the database
};
Specimen specimen(const Recipe& recipe, MoonsFamily family, std::int64_t number);
/// Networks below this accuracy on 1000 test points are kept but neither measured nor ranked.
constexpr double least_accuracy = 0.95;

/// A row of Table 1 of one family: what is measured.
struct Condition {
  Noise noise;
  Place place;
};
std::vector<Condition> conditions(const Recipe& recipe, MoonsFamily family);
constexpr int repetitions = 2;  // the truth, and an independent measurement of it: with other points, and other noise
/// How one measurement of a specimen is made; its points come from measurement_data(). A transformer has several times the layers
/// and of each many times the cost: it gets a sixteenth of the draws and half the points.
MeasureOptions measure_options(const Recipe& recipe, const Specimen& specimen, const Condition& condition, int repetition);
Dataset measurement_data(const Specimen& specimen, int repetition);
constexpr double data_noise = 0.1;  // of all points of the moons
Dataset calibration_data(const Recipe& recipe, const Specimen& specimen);

/// What a layer is a part of: "blocks.2" for "blocks.2.attention.q.weight", itself for those outside of blocks.
std::string block_of(std::string_view layer);

}  // namespace safer

#include "models/data/data_spec.h"

#include <doctest/doctest.h>

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "engine/error.h"
#include "models/data/moons.h"
#include "models/formats/npy.h"
#include "tests/temporary_folder.h"

using namespace safer;

namespace {

void refuses(const std::string& text, const std::string& message) {
  CAPTURE(text);
  CHECK_THROWS_WITH_AS(parse_data(text), message.c_str(), Error);
}

bool same(const Tensor& a, const Tensor& b) { return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0; }

}  // namespace

TEST_CASE("data argument: moons") {
  const MoonsData usual = std::get<MoonsData>(parse_data("moons"));
  CHECK(!usual.n);
  CHECK(usual.noise == 0.1);
  CHECK(usual.seed == 0);
  const MoonsData moons = std::get<MoonsData>(parse_data("moons:seed=18446744073709551615,n=7,noise=2e-1"));
  CHECK(moons.n == 7);
  CHECK(moons.noise == 0.2);
  CHECK(moons.seed == 18446744073709551615u);
}

TEST_CASE("data argument: cifar10 and npy") {
  const auto cifar10 = [](const char* text) { return std::get<Cifar10Data>(parse_data(text)); };
  CHECK(cifar10("cifar10:a/b").folder == "a/b");
  CHECK(!cifar10("cifar10:a/b").split);
  CHECK(cifar10("cifar10:a:b:train").folder == "a:b");
  CHECK(cifar10("cifar10:a:train").split == Split::training);
  CHECK(cifar10("cifar10:a:test").split == Split::test);
  const NpyData npy = std::get<NpyData>(parse_data("npy:a/x.npy,y.npy"));
  CHECK(npy.inputs == "a/x.npy");
  CHECK(npy.labels == "y.npy");
  CHECK(!std::get<NpyData>(parse_data("npy:x.npy")).labels);
}

TEST_CASE("data argument: images") {
  const auto images = [](const char* text) { return std::get<ImagesData>(parse_data(text)); };
  const ImagesData plain = images("images:a/b");
  CHECK(plain.folder == "a/b");
  CHECK(!plain.labels);
  CHECK(!plain.resize);
  CHECK(!plain.crop);
  CHECK(!plain.pixels);
  const ImagesData all = images("images:a:b:resize=256,crop=none,labels=c:d=e.csv,pixels=symmetric");
  CHECK(all.folder == "a:b");
  CHECK(all.labels == "c:d=e.csv");
  CHECK(all.resize == 256);
  CHECK(all.crop == 0);
  CHECK(all.pixels == symmetric_pixels);
  CHECK(images("images:a=b").folder == "a=b");
  CHECK(images("images:a:mean=1-2-3.5").pixels == PixelScaling{{1, 2, 3.5f}, {1, 1, 1}});
  CHECK(images("images:a:std=2").pixels == PixelScaling{{0, 0, 0}, {2, 2, 2}});
}

TEST_CASE("data argument: messages") {
  const std::string choices =
      "choose one of: moons[:n=1000,noise=0.1,seed=0], cifar10:DIR[:train|test], "
      "images:DIR[:resize=256,crop=224,labels=FILE,pixels=imagenet], npy:INPUTS.npy[,LABELS.npy]";
  refuses("", "unknown data ''; " + choices);
  refuses("photos", "unknown data 'photos'; " + choices);
  refuses("a/x.npy", "unknown data 'a/x.npy'; " + choices + "; perhaps npy:a/x.npy");
  refuses("moons:n=12x", "data 'moons:n=12x': n is '12x', expected a number of points");
  refuses("moons:n", "data 'moons:n': n is '', expected a number of points");
  refuses("moons:seed=-1", "data 'moons:seed=-1': seed is '-1', expected a number from 0 to 2^64-1");
  refuses("moons:noise=big", "data 'moons:noise=big': noise is 'big', expected a standard deviation");
  refuses("moons:n=1,n=2", "data 'moons:n=1,n=2': n is given twice");
  refuses("moons:samples=3", "data 'moons:samples=3': unknown option 'samples'; choose one of: n, noise, seed");
  refuses("cifar10", "data 'cifar10': no folder, expected cifar10:DIR[:train|test]");
  refuses("cifar10::test", "data 'cifar10::test': no folder, expected cifar10:DIR[:train|test]");
  for (const std::string text : {"images", "images:", "images::crop=3"})
    refuses(text, "data '" + text + "': no folder, expected images:DIR[:KEY=VALUE,...]");
  const auto refuses_option = [](const std::string& option, const std::string& message) {
    refuses("images:a:" + option, "data 'images:a:" + option + "': " + message);
  };
  refuses_option("crops=3", "unknown option 'crops'; choose one of: labels, resize, crop, pixels, mean, std");
  for (const std::string size : {"", "0", "100001", "3x4"})
    refuses_option("crop=" + size, "crop is '" + size + "', expected a number of pixels from 1 to 100000, or none");
  refuses_option("pixels=grey", "pixels is 'grey', expected raw, unit, symmetric or imagenet");
  refuses_option("mean=3,pixels=raw", "pixels is 'raw', expected to stand without mean and std");
  for (const std::string mean : {"", "1-2", "1-2-3-4", "nan", "1-"})
    refuses_option("mean=" + mean,
                   "mean is '" + mean + "', expected one number from 0 or three, as in 124-116-104, for pixels 0 to 255");
  refuses_option("std=0", "std is '0', expected one number from 0.001 or three, as in 124-116-104, for pixels 0 to 255");
  for (const std::string text : {"npy", "npy:", "npy:,y.npy", "npy:x.npy,", "npy:x.npy,y.npy,z.npy"})
    refuses(text, "data '" + text + "': expected npy:INPUTS.npy[,LABELS.npy], where the names contain no comma");
}

TEST_CASE("load_data: moons give each purpose its own points, and as many as it usually needs") {
  CHECK(same(load_data("moons", Split::training).inputs, make_moons(2000, 0.1, 0, Split::training).inputs));
  CHECK(same(load_data("moons", Split::calibration).inputs, make_moons(256, 0.1, 0, Split::calibration).inputs));
  CHECK(same(load_data("moons", Split::test).inputs, make_moons(1000, 0.1, 0, Split::test).inputs));
  CHECK(same(load_data("moons:n=30,seed=4,noise=0.2", Split::test).inputs, make_moons(30, 0.2, 4, Split::test).inputs));
  std::set<std::pair<float, float>> points;
  for (const Split purpose : {Split::training, Split::calibration, Split::test}) {
    const Dataset data = load_data("moons", purpose);
    const auto values = data.inputs.values<float>();
    for (std::size_t i = 0; i < values.size(); i += 2) points.emplace(values[i], values[i + 1]);
  }
  CHECK(points.size() == 3256);
  CHECK_THROWS_WITH_AS(load_data("moons:n=0", Split::test), "moons: n = 0 points, expected 1 to 100000000", Error);
}

TEST_CASE("load_data: a subset") {
  CHECK(load_data("moons", Split::calibration, {.samples = 512}).size() == 512);
  CHECK(load_data("moons:n=100", Split::calibration, {.samples = 512}).size() == 100);
  CHECK(load_data("moons:n=100", Split::calibration, {.samples = 60}).size() == 60);
  const TemporaryFolder folder;
  const std::vector<float> values = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  write_npy(folder / "x.npy", Tensor::of<float>({10, 1}, values));
  const std::string text = "npy:" + (folder / "x.npy").string();
  CHECK(load_data(text, Split::test).size() == 10);
  const Dataset part = load_data(text, Split::calibration, {.samples = 4, .seed = 1});
  const std::vector<std::int64_t> chosen = choose(10, {.samples = 4, .seed = 1});
  CHECK(std::ranges::equal(part.inputs.values<float>(), chosen, {}, {}, [](std::int64_t i) { return static_cast<float>(i); }));
}

#include "models/data/image_folder.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "engine/error.h"
#include "models/data/data_spec.h"
#include "models/formats/file.h"
#include "models/formats/npy.h"
#include "models/formats/safetensors.h"
#include "tests/shared_data.h"
#include "tests/temporary_folder.h"

using namespace safer;

namespace {

using Labels = std::vector<std::int64_t>;

const std::filesystem::path golden = std::filesystem::path(SAFER_SOURCE_DIR) / "tests/models/formats/golden/images";

/// A folder in which the images of a test lie.
struct Photos {
  TemporaryFolder folder;
  const Photos& add(const std::string& name, const char* image = "rgb.png") const {
    std::filesystem::create_directories((folder / name).parent_path());
    std::filesystem::copy_file(golden / image, folder / name);
    return *this;
  }
  std::string write(const std::string& name, const std::string& text) const {
    write_file_atomically(folder / name, std::as_bytes(std::span(text)));
    return (folder / name).string();
  }
  std::string text() const { return "images:" + folder.path().string(); }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& file : list_images(folder.path()).files)
      all.push_back(file.lexically_relative(folder.path()).generic_string());
    return all;
  }
  Labels labels() const { return list_images(folder.path()).labels; }
};

void refuses(const auto& call, const std::string& message) { CHECK_THROWS_WITH_AS(call(), message.c_str(), Error); }

}  // namespace

TEST_CASE("image folder: the images in it, sorted, and nothing else") {
  const Photos photos;
  photos.add("b.png").add("a.JPG", "baseline.jpg").add("c.jpeg", "grey.jpg").add(".hidden.png");
  photos.write("notes.txt", "x");
  CHECK(photos.names() == std::vector<std::string>{"a.JPG", "b.png", "c.jpeg"});
  CHECK(photos.labels().empty());
}

TEST_CASE("image folder: labels from file names, when all begin with a number") {
  const Photos photos;
  photos.add("007_cat.png").add("12_x.png").add("0_.png");
  CHECK(photos.names() == std::vector<std::string>{"007_cat.png", "0_.png", "12_x.png"});
  CHECK(photos.labels() == Labels{7, 0, 12});
  photos.add("13.png");
  CHECK(photos.labels().empty());
}

TEST_CASE("image folder: labels from the folders in it") {
  const Photos places;
  places.add("dog/b.png").add("cat/2_x.png").add("cat/1.png").add("eel/a.png");
  places.write("classes.txt", "x");
  std::filesystem::create_directories(places.folder / "empty");
  CHECK(places.names() == std::vector<std::string>{"cat/1.png", "cat/2_x.png", "dog/b.png", "eel/a.png"});
  CHECK(places.labels() == Labels{0, 0, 1, 2});
  const Photos numbers;
  numbers.add("12_tench/a.png").add("3/a.png");
  CHECK(numbers.labels() == Labels{12, 3});
  numbers.add("x/a.png");
  CHECK(numbers.labels() == Labels{0, 1, 2});
}

TEST_CASE("image folder: labels from a file") {
  const Photos photos;
  photos.add("a,b.png").add("0_x.png").add("c.png");
  const auto labels = [&](const std::string& text) {
    return list_images(photos.folder.path(), photos.write("labels.csv", text)).labels;
  };
  CHECK(labels("name,label\n0_x.png,5\na,b.png,999\r\n\nc.png,0") == Labels{5, 999, 0});
  CHECK(labels("c.png\t1\na,b.png\t2\n0_x.png\t3\nother.png\t4\n") == Labels{3, 2, 1});
  const std::string file = (photos.folder / "labels.csv").string();
  const auto says = [&](const std::string& text, const std::string& message) { refuses([&] { labels(text); }, file + message); };
  says("c.png,1\n", ": no line for the image \"0_x.png\"");
  says("name,label\nc.png,one\n",
       ": line 2: \"c.png,one\", expected NAME,LABEL or NAME<tab>LABEL with a label from 0 to 2147483646");
  for (const std::string line : {"c.png", ",1", "c.png,-1", "c.png,2147483647", "c.png,1.5", "c.png,"})
    says("0_x.png,1\n" + line + "\n",
         ": line 2: \"" + line + "\", expected NAME,LABEL or NAME<tab>LABEL with a label from 0 to 2147483646");
  says("c.png,1\nc.png,1\n", ": line 2: \"c.png\" comes twice");
  const Photos places;
  places.add("p/a.png").add("q/a.png");
  const std::string other = places.write("labels.tsv", "q/a.png\t1\np/a.png\t8\n");
  CHECK(list_images(places.folder.path().string() + "/", other).labels == Labels{8, 1});
}

TEST_CASE("image folder: refuses folders that are none or say two things") {
  const Photos photos;
  const std::string folder = photos.folder.path().string();
  const auto list = [&] { return list_images(folder); };
  refuses(list, folder + ": no file ends in .jpg, .jpeg or .png, neither in this folder nor in one in it");
  photos.add("a.png").add("b/c.png");
  refuses(list, folder + ": has images both in it (a.png) and in folders in it (b); expected one or the other");
  refuses([&] { return list_images(folder + "/none"); }, folder + "/none: is not a folder; expected one of JPEG or PNG files");
}

TEST_CASE("images: fitted, scaled and labelled, a chosen part of them") {
  const Photos photos;
  for (const char* name : {"0_a.png", "1_b.png", "2_c.png", "3_d.png", "9_e.png"}) photos.add(name);
  const Dataset all = load_data(photos.text() + ":crop=19,pixels=unit", Split::test);
  CHECK(all.name == photos.text());
  CHECK(all.inputs.shape() == Shape{5, 3, 19, 19});
  CHECK(all.labels == Labels{0, 1, 2, 3, 9});
  CHECK(all.classes == 10);
  const Tensor pixels = read_npy(golden / "rgb.npy");
  for (std::size_t sample : {std::size_t{0}, std::size_t{4}})
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t y = 0; y < 19; ++y)
        for (std::size_t x = 0; x < 19; ++x)
          CHECK(all.inputs.values<float>()[((sample * 3 + c) * 19 + y) * 19 + x] ==
                doctest::Approx(pixels.values<std::uint8_t>()[(y * 29 + x + 5) * 3 + c] / 255.0));

  constexpr Subset few{.samples = 3, .seed = 5};
  const Labels chosen = choose(5, few);
  const Dataset part = load_data(photos.text(), Split::calibration, few);
  CHECK(part.size() == 3);
  CHECK(part.classes == 10);
  for (std::size_t i = 0; i < 3; ++i) CHECK(part.labels[i] == all.labels[static_cast<std::size_t>(chosen[i])]);
}

TEST_CASE("images: the options of the argument override what the network usually reads") {
  const Photos photos;
  photos.add("a.png");
  constexpr PhotoSize usual = {.least = 12, .most = 14, .crop = {12, 12}};
  const auto inputs = [&](const std::string& options) {
    return load_data(photos.text() + options, Split::test, {}, symmetric_pixels, usual).inputs;
  };
  CHECK(inputs("").shape() == Shape{1, 3, 12, 12});
  CHECK(inputs(":crop=10").shape() == Shape{1, 3, 10, 10});
  CHECK(inputs(":crop=none").shape() == Shape{1, 3, 14, 21});
  CHECK(inputs(":crop=none,resize=none").shape() == Shape{1, 3, 19, 29});
  CHECK(inputs(":crop=none,resize=38").shape() == Shape{1, 3, 38, 58});
  const float symmetric = inputs("").values<float>()[0], raw = inputs(":pixels=raw").values<float>()[0];
  CHECK(symmetric == doctest::Approx(raw / 127.5 - 1));
  CHECK(inputs(":mean=100-1-1,std=2").values<float>()[0] == doctest::Approx((raw - 100) / 2));
}

TEST_CASE("images: each purpose has its own folder where there are train and val, or train and test") {
  for (const std::string test : {"val", "test"}) {
    const Photos photos;
    photos.add("train/cat/a.png").add(test + "/cat/b.png");
    CHECK(load_data(photos.text(), Split::test).name == photos.text() + "/" + test);
    CHECK(load_data(photos.text(), Split::calibration).name == photos.text() + "/train");
    CHECK(load_data(photos.text(), Split::training).name == photos.text() + "/train");
  }
  const Photos classes;
  classes.add("train/a.png").add("tram/b.png");
  CHECK(load_data(classes.text(), Split::test).size() == 2);
}

TEST_CASE("images: what cannot be read is named, the first one first") {
  const Photos photos;
  photos.add("a.png");
  for (const char* name : {"b.png", "c.jpg"}) photos.write(name, "text");
  const std::string folder = photos.folder.path().string();
  const auto load = [&] { return load_data(photos.text(), Split::test); };
  refuses(load, folder + "/b.png: neither a JPEG nor a PNG file: begins with \"text\"");
  std::filesystem::remove(photos.folder / "b.png");
  std::filesystem::remove(photos.folder / "c.jpg");
  write_npy(photos.folder / "x.npy", Tensor(DType::f32, {1, 1}));
  const DataSource source = open_data(photos.text() + ":resize=8", Split::test);
  CHECK(source.read(0, 1).shape() == Shape{1, 3, 8, 12});
  std::filesystem::remove(photos.folder / "a.png");
  refuses([&] { return source.read(0, 1); }, folder + "/a.png: cannot be opened: No such file or directory");
}

TEST_CASE("images: of different sizes they need a crop") {
  const Photos photos;
  photos.add("a.png");
  std::vector<std::byte> other = read_file(golden / "rgb.png");
  other[23] = std::byte{18};  // one row less than there are
  write_file_atomically(photos.folder / "b.png", other);
  const std::string folder = photos.folder.path().string();
  refuses([&] { return load_data(photos.text(), Split::test); },
          folder + "/b.png: becomes 29x18 pixels, but " + folder + "/a.png 29x19; give crop=N to make them alike");
  CHECK(load_data(photos.text() + ":crop=18", Split::test).size() == 2);
}

TEST_CASE("images: photos give the pixels that another decoder gives") {
  const auto models = test::shared_data("models");
  const auto folder = test::shared_data("imagenet/val1300");
  if (!models || !folder) {
    MESSAGE("skipped: SAFER_DATA has no models or no imagenet/val1300");
    return;
  }
  Tensor expected;
  for (const NamedTensor& tensor : read_safetensors(*models / "reference_logits.safetensors").tensors)
    if (tensor.name == "imagenet_inputs_u8") expected = tensor.value;
  // The reference's eight photos, as its header lists them.
  ImageFolder images{*folder, {}, {}};
  for (const char* name : {"000_ILSVRC2012_val_00023559.jpg", "109_ILSVRC2012_val_00044533.jpg", "234_ILSVRC2012_val_00013447.jpg",
                           "328_ILSVRC2012_val_00042173.jpg", "450_ILSVRC2012_val_00020526.jpg", "587_ILSVRC2012_val_00039315.jpg",
                           "740_ILSVRC2012_val_00021576.jpg", "863_ILSVRC2012_val_00010203.jpg"})
    images.files.push_back(*folder / name);
  const Tensor found = image_source(images, {}, {.crop = {224, 224}}).load().inputs;
  REQUIRE(found.shape() == expected.shape());
  double mean = 0;
  for (std::size_t i = 0; i < found.values<float>().size(); ++i)
    mean += std::abs(double{found.values<float>()[i]} - static_cast<double>(expected.values<std::uint8_t>()[i]));
  mean /= static_cast<double>(found.size());
  CAPTURE(mean);
  CHECK(mean < 0.5);
}

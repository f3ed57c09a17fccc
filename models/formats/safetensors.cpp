#include "models/formats/safetensors.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <unordered_map>
#include <unordered_set>

#include "engine/error.h"
#include "models/formats/file.h"
#include "models/formats/half.h"
#include "models/formats/safetensors_header.h"

namespace safer {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are copied as they lie in the file");

constexpr std::size_t length_bytes = 8;
constexpr std::uint64_t longest_header = 100'000'000;  // the limit of the reference reader

Tensor elements(const TensorEntry& entry, std::span<const std::byte> bytes) {
  Tensor tensor(entry.format->type, entry.shape);
  if (bytes.empty()) return tensor;
  if (entry.format->bytes == size_of(tensor.type())) {
    std::memcpy(tensor.mutable_raw(), bytes.data(), bytes.size());
    return tensor;
  }
  const auto convert = entry.format->name == "F16" ? float_of_half : float_of_bfloat;
  const std::span<float> values = tensor.mutable_values<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, bytes.data() + 2 * i, sizeof(bits));
    values[i] = convert(bits);
  }
  return tensor;
}

/// Sorts by place and checks that the tensors cover `size` bytes without overlap or hole.
void check_layout(std::vector<TensorEntry>& tensors, std::uint64_t size, std::string_view file) {
  std::ranges::stable_sort(
      tensors, [](const TensorEntry& a, const TensorEntry& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  std::uint64_t covered = 0;
  for (const TensorEntry& entry : tensors) {
    const auto fail = [&](const std::string& what) {
      throw Error("{}: tensor {}: data_offsets [{}, {}] {}", file, excerpt(entry.name), entry.begin, entry.end, what);
    };
    if (entry.begin > entry.end) fail("run backwards");
    if (entry.end > size) fail(fmt::format("reach beyond the {} bytes of data; is the file truncated?", size));
    if (entry.begin != covered)
      fail(fmt::format("{}: expected to begin at {}", entry.begin < covered ? "overlap another tensor" : "leave a hole", covered));
    // Divides what there is instead of multiplying what is claimed: the claim may not fit into 64 bits.
    const std::uint64_t bytes = entry.end - entry.begin, item = entry.format->bytes;
    if (bytes % item != 0 || bytes / item != static_cast<std::uint64_t>(entry.shape.size()))
      fail(fmt::format("hold {} bytes, expected {} elements of {} bytes for {} {}", bytes, entry.shape.size(), item,
                       entry.format->name, entry.shape));
    covered = entry.end;
  }
  if (covered != size) throw Error("{}: {} bytes left over after the last tensor, expected none", file, size - covered);
}

std::size_t writing_rank(DType type) {
  const auto formats = element_formats();
  const auto own = [type](const ElementFormat& format) { return format.type == type && format.bytes == size_of(type); };
  return static_cast<std::size_t>(std::ranges::find_if(formats, own) - formats.begin());
}

std::string json_text(const std::string& text, std::string_view what) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    throw Error("safetensors: {} {} is not UTF-8", what, excerpt(text));
  }
}

std::string json_header(std::span<const NamedTensor* const> tensors, const Metadata& metadata) {
  std::string header;
  for (const auto& [key, text] : metadata)
    header += fmt::format("{}{}:{}", header.empty() ? "\"__metadata__\":{" : ",", json_text(key, "metadata key"),
                          json_text(text, "metadata"));
  if (!header.empty()) header += "}";
  std::unordered_set<std::string_view> names{"__metadata__"};
  std::size_t offset = 0;
  for (const NamedTensor* const tensor : tensors) {
    const auto& [name, value] = *tensor;
    if (!names.insert(name).second)
      throw Error("safetensors: the name {} is {}", excerpt(name), name == "__metadata__" ? "reserved" : "given to two tensors");
    std::string shape;
    for (const std::int64_t size : value.shape()) shape += fmt::format("{}{}", shape.empty() ? "" : ",", size);
    header += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", header.empty() ? "" : ",",
                          json_text(name, "tensor name"), element_formats()[writing_rank(value.type())].name, shape, offset,
                          offset + value.bytes());
    offset += value.bytes();
  }
  header = "{" + header + "}";
  header.append((8 - header.size() % 8) % 8, ' ');
  return header;
}

/// One kind of complaint about a set of tensors: how many, and the first few of them.
struct Complaint {
  std::string_view kind;
  std::vector<std::string> items = {};

  std::string str() const {
    constexpr std::size_t shown = 10;
    std::string text = fmt::format("{} {} (", items.size(), kind);
    for (std::size_t i = 0; i < std::min(shown, items.size()); ++i) text += (i ? ", " : "") + items[i];
    if (items.size() > shown) text += fmt::format(" and {} more", items.size() - shown);
    return text + ")";
  }
};

}  // namespace

Safetensors parse_safetensors(std::span<const std::byte> bytes, std::string_view name) {
  if (bytes.size() < length_bytes) throw Error("{}: truncated: {} bytes, expected at least 8", name, bytes.size());
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), length_bytes);
  const std::uint64_t left = bytes.size() - length_bytes;
  if (length > longest_header || length > left)
    throw Error("{}: not a safetensors file, or truncated: the header is said to have {} bytes, expected at most {}", name, length,
                std::min(longest_header, left));
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + length_bytes, static_cast<std::size_t>(length));
  if (!json.starts_with('{')) throw Error("{}: header: begins with {}, expected \"{{\"", name, excerpt(json.substr(0, 1)));
  SafetensorsHeader header = parse_safetensors_header(json, name);
  const std::span<const std::byte> data = bytes.subspan(length_bytes + json.size());
  check_layout(header.tensors, data.size(), name);

  Safetensors file{{}, std::move(header.metadata)};
  file.tensors.reserve(header.tensors.size());
  for (TensorEntry& entry : header.tensors) {
    Tensor value = elements(entry, data.subspan(entry.begin, entry.end - entry.begin));
    file.tensors.push_back({std::move(entry.name), std::move(value)});
  }
  return file;
}

Safetensors read_safetensors(const std::filesystem::path& path) { return parse_safetensors(read_file(path), path.string()); }

std::vector<std::byte> safetensors_bytes(std::span<const NamedTensor> tensors, const Metadata& metadata) {
  std::vector<const NamedTensor*> sorted;
  std::size_t total = 0;
  for (const NamedTensor& tensor : tensors) {
    sorted.push_back(&tensor);
    total += tensor.value.bytes();
  }
  std::ranges::sort(sorted, [](const NamedTensor* a, const NamedTensor* b) {
    const std::size_t rank_a = writing_rank(a->value.type()), rank_b = writing_rank(b->value.type());
    return rank_a != rank_b ? rank_a > rank_b : a->name < b->name;
  });
  const std::string header = json_header(sorted, metadata);
  const std::uint64_t length = header.size();
  std::vector<std::byte> bytes(length_bytes + header.size() + total);
  std::memcpy(bytes.data(), &length, length_bytes);
  std::memcpy(bytes.data() + length_bytes, header.data(), header.size());
  std::byte* to = bytes.data() + length_bytes + header.size();
  for (const NamedTensor* const tensor : sorted) {
    if (tensor->value.bytes()) std::memcpy(to, tensor->value.raw(), tensor->value.bytes());
    to += tensor->value.bytes();
  }
  return bytes;
}

void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors, const Metadata& metadata) {
  write_file_atomically(path, safetensors_bytes(tensors, metadata));
}

void load_parameters(const std::filesystem::path& path, Parameters& parameters) {
  load_parameters(read_safetensors(path), path.string(), parameters);
}

void load_parameters(const Safetensors& file, std::string_view file_name, Parameters& parameters) {
  std::unordered_map<std::string_view, const Tensor*> values;
  for (const NamedTensor& tensor : file.tensors) values[tensor.name] = &tensor.value;

  Complaint missing{"missing"}, unexpected{"unexpected"}, shapes{"of another shape"}, types{"of another type"};
  Parameters filled = parameters;
  for (int id = 0; id < parameters.size(); ++id) {
    const ParameterSpec& spec = parameters.spec(id);
    const auto found = values.find(spec.name);
    if (found == values.end()) {
      missing.items.push_back(spec.name);
      continue;
    }
    const Tensor& value = *found->second;
    if (value.shape() != spec.shape)
      shapes.items.push_back(fmt::format("{} is {}, expected {}", spec.name, value.shape(), spec.shape));
    else if (value.type() != DType::f32 && value.type() != DType::f64)
      types.items.push_back(fmt::format("{} is {}, expected {}", spec.name, name(value.type()), name(parameters.type())));
    else
      filled.set(id, value.to(parameters.type()));
    values.erase(found);
  }
  for (const NamedTensor& tensor : file.tensors)
    if (values.contains(tensor.name)) unexpected.items.push_back(excerpt(tensor.name));

  std::string complaints;
  for (const Complaint& complaint : {missing, unexpected, shapes, types})
    if (!complaint.items.empty()) complaints += (complaints.empty() ? "" : "; ") + complaint.str();
  if (!complaints.empty())
    throw Error("{}: the tensors do not fit the network's {} parameters: {}", file_name, parameters.size(), complaints);
  parameters = std::move(filled);
}

void save_parameters(const std::filesystem::path& path, const Parameters& parameters, const Metadata& metadata) {
  std::vector<NamedTensor> tensors;
  for (int id = 0; id < parameters.size(); ++id) tensors.push_back({parameters.spec(id).name, parameters[id]});
  write_safetensors(path, tensors, metadata);
}

}  // namespace safer

#include <utility>

#include "engine/error.h"
#include "models/formats/file.h"
#include "models/onnx/model.h"
#include "models/onnx/protobuf.h"
#include "models/onnx/tensor_reader.h"

namespace safer::onnx {
namespace {

Attribute read_attribute(Reader message, const Source& source, std::string_view node) {
  Attribute a;
  each_field(message, source.file, fmt::format("attribute of node {}", node), [&](Reader& f) {
    switch (f.tag()) {
      case 1: a.name = f.get_string(); break;
      case 2: a.number = f.get_float(); break;
      case 3: a.integer = f.get_int64(); break;
      case 4: a.text = f.get_string(); break;
      case 5: a.tensor = parse_tensor(bytes_of(f), source).value; break;
      case 7:
        if (is_packed(f))
          for (const float value : f.get_packed_float()) a.numbers.push_back(value);
        else
          a.numbers.push_back(f.get_float());
        break;
      case 8:
        if (is_packed(f))
          for (const std::int64_t value : f.get_packed_int64()) a.integers.push_back(value);
        else
          a.integers.push_back(f.get_int64());
        break;
      default: f.skip();
    }
  });
  return a;
}

Node read_node(Reader message, const Source& source) {
  Node node;
  std::vector<Reader> attributes;
  each_field(message, source.file, "node", [&](Reader& f) {
    switch (f.tag()) {
      case 1: node.inputs.push_back(f.get_string()); break;
      case 2: node.outputs.push_back(f.get_string()); break;
      case 3: node.name = f.get_string(); break;
      case 4: node.op = f.get_string(); break;
      case 5: attributes.push_back(f.get_message()); break;
      case 7: node.domain = f.get_string(); break;
      default: f.skip();
    }
  });
  if (node.domain == "ai.onnx") node.domain.clear();
  for (const Reader& attribute : attributes) node.attributes.push_back(read_attribute(attribute, source, excerpt(node.name)));
  return node;
}

Dimension read_dimension(Reader message, std::string_view file) {
  Dimension dimension;
  each_field(message, file, "dimension", [&](Reader& f) {
    switch (f.tag()) {
      case 1: dimension.size = f.get_int64(); break;
      case 2: dimension.name = f.get_string(); break;
      default: f.skip();
    }
  });
  return dimension;
}

/// TypeProto.tensor_type; other types leave the element type undefined.
void read_tensor_type(Reader message, std::string_view file, ValueInfo& info) {
  each_field(message, file, "type of a value", [&](Reader& f) {
    switch (f.tag()) {
      case 1: info.type = ElementType{f.get_int32()}; break;
      case 2:
        info.shape.emplace();
        each_field(f.get_message(), file, "shape", [&](Reader& shape) {
          if (shape.tag() == 1)
            info.shape->push_back(read_dimension(shape.get_message(), file));
          else
            shape.skip();
        });
        break;
      default: f.skip();
    }
  });
}

ValueInfo read_value_info(Reader message, std::string_view file) {
  ValueInfo info;
  each_field(message, file, "value", [&](Reader& f) {
    if (f.tag() == 1)
      info.name = f.get_string();
    else if (f.tag() == 2)
      each_field(f.get_message(), file, "type", [&](Reader& type) {
        if (type.tag() == 1)
          read_tensor_type(type.get_message(), file, info);
        else
          type.skip();
      });
    else
      f.skip();
  });
  return info;
}

Graph read_graph(Reader message, const Source& source) {
  Graph graph;
  each_field(message, source.file, "graph", [&](Reader& f) {
    switch (f.tag()) {
      case 1: graph.nodes.push_back(read_node(f.get_message(), source)); break;
      case 5: {
        NamedTensorProto tensor = parse_tensor(bytes_of(f), source);
        if (!graph.initializers.emplace(tensor.name, std::move(tensor.value)).second)
          throw Error("{}: two initializers are called {}", source.file, excerpt(tensor.name));
        break;
      }
      case 11: graph.inputs.push_back(read_value_info(f.get_message(), source.file)); break;
      case 12: graph.outputs.push_back(read_value_info(f.get_message(), source.file)); break;
      case 15: throw Error("{}: holds sparse initializers, which are not supported; expected dense ones", source.file);
      default: f.skip();
    }
  });
  return graph;
}

void read_opset(Reader message, std::string_view file, std::map<std::string, std::int64_t>& opsets) {
  std::string domain;
  std::int64_t version = 0;
  each_field(message, file, "opset import", [&](Reader& f) {
    switch (f.tag()) {
      case 1: domain = f.get_string(); break;
      case 2: version = f.get_int64(); break;
      default: f.skip();
    }
  });
  opsets[domain == "ai.onnx" ? "" : domain] = version;
}

}  // namespace

Model parse_model(std::span<const std::byte> bytes, std::string_view file, const std::filesystem::path& folder) {
  const Source source{file, folder};
  Model model;
  bool graph = false;
  each_field(Reader(reinterpret_cast<const char*>(bytes.data()), bytes.size()), file, "model", [&](Reader& f) {
    switch (f.tag()) {
      case 7:
        if (std::exchange(graph, true)) throw Error("{}: holds two graphs, expected one", file);
        model.graph = read_graph(f.get_message(), source);
        break;
      case 8: read_opset(f.get_message(), file, model.opsets); break;
      default: f.skip();
    }
  });
  if (!graph) throw Error("{}: not an ONNX file, or truncated: it holds no graph", file);
  return model;
}

Model read_model(const std::filesystem::path& path) { return parse_model(read_file(path), path.string(), path.parent_path()); }

Tensor read_tensor(const std::filesystem::path& path) {
  const std::vector<std::byte> bytes = read_file(path);
  const std::string file = path.string();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return parse_tensor(text, {file, path.parent_path()}).value;
}

}  // namespace safer::onnx

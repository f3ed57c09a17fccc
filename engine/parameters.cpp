#include "engine/parameters.h"

#include "engine/error.h"

namespace safer {

int ParameterTable::add(ParameterSpec spec) {
  if (find(spec.name) >= 0) throw Error("parameter '{}' is declared twice", spec.name);
  specs_.push_back(std::move(spec));
  return size() - 1;
}

int ParameterTable::find(std::string_view name) const {
  for (int id = 0; id < size(); ++id)
    if ((*this)[id].name == name) return id;
  return -1;
}

Parameters::Parameters(std::shared_ptr<const ParameterTable> table, DType type) : table_(std::move(table)), type_(type) {
  values_.reserve(static_cast<std::size_t>(table_->size()));
  for (int id = 0; id < table_->size(); ++id) values_.emplace_back(type, (*table_)[id].shape);
}

int Parameters::id(std::string_view name) const {
  const int found = table_ ? table_->find(name) : -1;
  if (found >= 0) return found;
  std::string names;
  for (int i = 0; i < size(); ++i) names += (i ? ", " : "") + spec(i).name;
  throw Error("no parameter is called '{}'; there are: {}", name, names);
}

void Parameters::set(int id, Tensor value) {
  if (value.shape() != spec(id).shape)
    throw Error("parameter '{}': shape {}, expected {}", spec(id).name, value.shape(), spec(id).shape);
  if (value.type() != type_)
    throw Error("parameter '{}': elements are {}, expected {}", spec(id).name, name(value.type()), name(type_));
  values_[static_cast<std::size_t>(id)] = std::move(value);
}

Parameters Parameters::to(DType type) const {
  Parameters result = *this;
  result.type_ = type;
  for (Tensor& value : result.values_) value = value.to(type);
  return result;
}

std::int64_t Parameters::elements() const {
  std::int64_t count = 0;
  for (const Tensor& value : values_) count += value.size();
  return count;
}

}  // namespace safer

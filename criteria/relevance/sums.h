#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace safer {

/// What a sweep has accumulated: for each need, group of samples and weight, one double an element.
class Sums {
 public:
  /// `elements`: of each weight; `samples`: in each group.
  Sums(std::size_t needs, std::vector<std::int64_t> samples, std::vector<std::int64_t> elements)
      : samples_(std::move(samples)), elements_(std::move(elements)), values_(needs * samples_.size() * elements_.size()) {
    for (std::size_t i = 0; i < values_.size(); ++i)
      values_[i].assign(static_cast<std::size_t>(elements_[i % elements_.size()]), 0);
  }

  std::size_t groups() const { return samples_.size(); }
  std::size_t weights() const { return elements_.size(); }
  const std::vector<std::int64_t>& samples() const { return samples_; }

  std::span<double> of(std::size_t need, std::size_t group, std::size_t weight) { return values_[at(need, group, weight)]; }
  std::span<const double> of(std::size_t need, std::size_t group, std::size_t weight) const {
    return values_[at(need, group, weight)];
  }

 private:
  std::size_t at(std::size_t need, std::size_t group, std::size_t weight) const {
    return (need * groups() + group) * weights() + weight;
  }

  std::vector<std::int64_t> samples_, elements_;
  std::vector<std::vector<double>> values_;
};

}  // namespace safer

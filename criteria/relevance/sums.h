#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace safer {

/// What sweeps have accumulated, in double: for each need and weight, a value for each group of samples or one for all of them.
class Sums {
 public:
  /// What one need accumulates.
  struct Layout {
    std::vector<std::int64_t> elements;  // by weight
    bool grouped = true;                 // a sum over samples, hence one a group; else only all samples together have a value
    std::int64_t points = 1;             // terms of the sum, for each sample where grouped
  };
  /// `samples`: in each group.
  Sums(std::vector<Layout> needs, std::vector<std::int64_t> samples) : layouts_(std::move(needs)), samples_(std::move(samples)) {
    for (const Layout& layout : layouts_) {
      first_.push_back(values_.size());
      for (std::size_t group = 0; group < (layout.grouped ? groups() : 1); ++group)
        for (const std::int64_t count : layout.elements) values_.emplace_back(static_cast<std::size_t>(count));
    }
  }

  std::size_t groups() const { return samples_.size(); }
  const std::vector<std::int64_t>& samples() const { return samples_; }
  const Layout& layout(std::size_t need) const { return layouts_[need]; }

  /// `group` is 0 where the need is not grouped.
  std::span<double> of(std::size_t need, std::size_t group, std::size_t weight) { return values_[at(need, group, weight)]; }
  std::span<const double> of(std::size_t need, std::size_t group, std::size_t weight) const {
    return values_[at(need, group, weight)];
  }
  /// All of a need, by group and weight.
  std::span<std::vector<double>> of(std::size_t need) {
    const std::size_t end = need + 1 < first_.size() ? first_[need + 1] : values_.size();
    return std::span(values_).subspan(first_[need], end - first_[need]);
  }

 private:
  std::size_t at(std::size_t need, std::size_t group, std::size_t weight) const {
    return first_[need] + group * layouts_[need].elements.size() + weight;
  }

  std::vector<Layout> layouts_;
  std::vector<std::int64_t> samples_;
  std::vector<std::size_t> first_;  // by need, in values_
  std::vector<std::vector<double>> values_;
};

}  // namespace safer

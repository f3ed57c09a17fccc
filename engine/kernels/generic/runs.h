#pragma once

#include "engine/kernels/generic/loop.h"

// Rows whose elements a stride separates.
namespace safer::kernels {
namespace {

/// A row dealt out: element p stands at place p / stride of run p % stride, so that what neighbouring windows read lies side by
/// side. Whole vectors are read and written: rows have room for two behind them, and runs for one.
struct Runs {
  /// Of rows of n elements.
  Runs(std::int64_t n, std::int64_t row_stride) : stride(row_stride), length(pieces(n, row_stride) + lanes) {}

  std::int64_t size() const { return stride * length; }
  std::int64_t place(std::int64_t p) const { return p % stride * length + p / stride; }

  /// The first n elements of a row.
  void deal(T* to, const T* row, std::int64_t n) const {
    if (stride == 2) {
      for (std::int64_t p = 0; p < n; p += 2 * lanes) {
        Batch even, odd;
        unzip(load(row + p), load(row + p + lanes), even, odd);
        store(to + p / 2, even);
        store(to + length + p / 2, odd);
      }
    } else {
      for (std::int64_t p = 0; p < n; ++p) to[place(p)] = row[p];
    }
  }
  /// The inverse.
  void weave(T* row, const T* runs, std::int64_t n) const {
    if (stride == 2) {
      for (std::int64_t p = 0; p < n; p += 2 * lanes) {
        Batch low, high;
        zip(load(runs + p / 2), load(runs + length + p / 2), low, high);
        store(row + p, low);
        store(row + p + lanes, high);
      }
    } else {
      for (std::int64_t p = 0; p < n; ++p) row[p] = runs[place(p)];
    }
  }

  std::int64_t stride, length;
};

}  // namespace
}  // namespace safer::kernels

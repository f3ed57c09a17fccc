#pragma once

#include <span>
#include <vector>

#include "engine/tape/tape.h"

/// Ops that move elements and compute nothing. Shapes, axes and sizes are those of one sample (ValueType), so that an axis of the
/// batch can be named but not cut. All throw Error when an axis is out of range, or a value holds indices where reals are expected.
namespace safer {

/// The values one behind another along `axis`. Throws Error when there are none, when they differ in rank, batch axis or any size
/// but that along `axis`, or when `axis` is the batch axis.
Var concat(std::span<const Var> values, std::int64_t axis);
inline Var concat(std::initializer_list<Var> values, std::int64_t axis) {
  return concat(std::span<const Var>(values.begin(), values.size()), axis);
}
/// Elements begin, begin + step, ... before `end` along `axis`. Negative places count from the end, and places beyond it mean the
/// end. Throws Error for the batch axis, for step < 1, and when nothing is left.
Var slice(Var x, std::int64_t axis, std::int64_t begin, std::int64_t end, std::int64_t step = 1);
/// `begins[axis]` elements of `value` before and `ends[axis]` behind x along each axis. Throws Error when their number is not the
/// rank, one is negative, or the batch axis would be padded.
Var pad(Var x, std::vector<std::int64_t> begins, std::vector<std::int64_t> ends, double value = 0);
/// The same elements in the same order with the shape `sample`. The batch axis stays where it was if that leaves the elements
/// before it and the rows of a sample as they are, else it goes to the first axis that leaves the elements before it; `batch_axis`
/// names another such axis. So [1, T, d] becomes [T, d] (each sample owns T rows of a matrix) and [T, d] becomes [1, T, d] again.
/// Throws Error when the sizes do not fit.
Var reshape(Var x, const Shape& sample, int batch_axis = -1);
/// Axes first, first + 1, ... as one: [N, C, H, W] becomes [N, C H W]. Throws as reshape.
Var flatten(Var x, std::int64_t first = 1);
/// Axis i of the result is axis permutation[i] of x; the batch axis may move. Throws Error unless each axis is named once.
Var transpose(Var x, std::vector<std::int64_t> permutation);
/// Channel k of group g becomes channel k groups + g, so that the groups of the next convolution see all of this one's (ShuffleNet,
/// Zhang et al. 2018): x [N, channels, ...] recorded as reshape, transpose and reshape. Throws Error when the groups do not divide
/// the channels, or the batch is not first.
Var channel_shuffle(Var x, std::int64_t groups);
/// y[before, indices..., after] = x[before, indices[...], after]: the rows of a table (axis 0) that the samples name, or fixed
/// places of every sample. Either x or the indices (i64) may vary over the batch. Throws Error when both do, or when `axis` is the
/// batch axis; a run throws when an index is not in 0..size-1.
Var gather(Var x, Var indices, std::int64_t axis = 0);
/// x broadcast to the shape of `to`, aligned at the last axes: axes that x lacks or has with size 1 are repeated, and an x without
/// batch axis is repeated for every sample. Throws Error when a size does not fit or x has a batch axis elsewhere.
Var expand(Var x, const ValueType& to);
/// To the type of another value, which is not read.
inline Var expand(Var x, Var like) { return expand(x, like.type()); }
/// A value that all samples share, once for every sample, which own its rows on `batch_axis`: a class token [1, 1, d] becomes
/// [N, 1, d].
inline Var repeat(Var x, int batch_axis = 0) { return expand(x, ValueType{x.shape(), batch_axis, x.type().type}); }

}  // namespace safer

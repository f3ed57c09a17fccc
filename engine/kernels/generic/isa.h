#pragma once

#include <xsimd/xsimd.hpp>

#include <cstdint>

// The kernels are written once, in this folder, over the few names that each kernels_<isa>.cpp defines before it includes table.h:
//   Arch, Batch             the instruction set and its vector of floats
//   tile_shape              the register tile of gemm
//   mul_add(a, b, c)        a b + c, fused where the processor can
//   quotient(a, b), square_root(v)   correctly rounded, as the processor does it; for ARM xsimd 8.1 only approximates them
//   Doubles, widen(from)    its vector of doubles; half a Batch of floats as doubles
//   Mask, first(count)      the first `count` lanes, 0 <= count < lanes;   load(from, mask): 0 elsewhere; store(to, v, mask);
//   keep(v, mask) load_quads(from, stride)  four floats at a time: from[0..3], from[stride ..], from[2 stride ..], ...
//   store_quads(to, stride, v)   the reverse
//   unzip(a, b, even, odd)  of the lanes of a and b, one after the other, every second one;  zip(even, odd, a, b): the inverse
//   transpose_quads(r)      in each quad of lanes, r[i][j] <-> r[j][i]
// Everything has internal linkage: two sets' copies of a function must never be merged by the linker.
namespace safer::kernels {
namespace {

/// The result tile that gemm keeps in registers: rows x (vectors of columns); `tall_rows` where one vector of columns is enough.
/// `steps`: of k between two additions to the result. Many of them spare passes over the result; a panel of B so deep should stay
/// in the first-level cache, or in the second-level one where that feeds the tile fast enough.
struct TileShape {
  int rows, vectors, tall_rows, steps;
};

}  // namespace
}  // namespace safer::kernels

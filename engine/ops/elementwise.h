#pragma once

#include <string_view>

#include "engine/tape/tape.h"

namespace safer {

/// a op b, element by element, with the shapes broadcast as numpy does: aligned from the right, and an axis of size 1 (or one that
/// is missing) repeats. The batch axis lines up like any other: [N, T, d] + [d], [N, T, d] + [1, T, d], [N, C, H, W] * [N, C, 1,
/// 1]. A value without a batch has size 1 where the other has its batch axis. Throws Error when the shapes do not fit.
Var add(Var a, Var b, std::string_view name = {});
Var sub(Var a, Var b, std::string_view name = {});
Var mul(Var a, Var b, std::string_view name = {});
Var div(Var a, Var b, std::string_view name = {});

/// A constant of rank 0 on the tape.
Var scalar(Tape& tape, double value);

inline Var operator+(Var a, Var b) { return add(a, b); }
inline Var operator-(Var a, Var b) { return sub(a, b); }
inline Var operator*(Var a, Var b) { return mul(a, b); }
inline Var operator/(Var a, Var b) { return div(a, b); }
inline Var operator+(Var a, double b) { return add(a, scalar(a.tape(), b)); }
inline Var operator-(Var a, double b) { return sub(a, scalar(a.tape(), b)); }
inline Var operator*(Var a, double b) { return mul(a, scalar(a.tape(), b)); }
inline Var operator/(Var a, double b) { return div(a, scalar(a.tape(), b)); }
inline Var operator+(double a, Var b) { return add(scalar(b.tape(), a), b); }
inline Var operator-(double a, Var b) { return sub(scalar(b.tape(), a), b); }
inline Var operator*(double a, Var b) { return mul(scalar(b.tape(), a), b); }
inline Var operator/(double a, Var b) { return div(scalar(b.tape(), a), b); }

}  // namespace safer

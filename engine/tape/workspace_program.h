#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/tape/workspace.h"

namespace safer {

/// A program of a plan with all its pointers resolved, except those to parameters and inputs, which each run patches.
template <class T>
struct Workspace<T>::Program {
  struct Patch {
    Operand<T>* operand;
    std::size_t source;  // parameter id, or place in inputs_
  };
  struct Forward {
    const Op* op;
    const Run<T>* run;
    int hook;  // place in hooks_, or -1
    std::span<T> output;
  };
  struct SharedGradient {
    int input;
    T* gradient;
    bool accumulate;
  };
  struct Reverse {
    const Op* op;
    const Run<T>* run;
    bool differentiate;
    std::vector<SharedGradient> shared;
  };
  struct Offered {
    std::size_t step;  // after this reverse step
    int parameter;
    std::vector<typename ParameterGradient<T>::Use> uses;
    const T* batch_sum;
  };

  const Plan::Program* plan = nullptr;
  std::vector<Operand<T>> operands;
  std::vector<Run<T>> runs;  // by place in plan->forward
  std::vector<Forward> forward;
  std::vector<Reverse> reverse;
  std::vector<Offered> offers;
  std::vector<Patch> parameters, inputs;
  std::vector<FoldedLayer*> folded;
  std::span<const T> pinned;  // the resume point's value as the full program left it
  std::span<T> restored;      // where resumed nodes read it
  int restored_hook = -1;
  std::span<T> seed;
};

}  // namespace safer

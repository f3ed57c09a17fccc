#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/aligned.h"
#include "engine/kernels/dispatch.h"
#include "engine/tape/folding.h"
#include "engine/tape/gradient_sink.h"
#include "engine/tape/plan.h"

namespace safer {

template <class T>
class WorkspaceLayout;

/// The memory of one run of a plan, with every pointer resolved when it is made: replaying allocates nothing. One per thread; plans
/// and parameters can be shared. T: float or double, as the plan's type says.
template <class T>
class Workspace {
 public:
  /// Throws Error when the plan's type is not T's. `table`: the kernels to use.
  explicit Workspace(std::shared_ptr<const Plan> plan, const kernels::KernelTable<T>& table = kernels::table<T>());
  explicit Workspace(Plan plan) : Workspace(std::make_shared<const Plan>(std::move(plan))) {}
  ~Workspace();
  Workspace(Workspace&&) noexcept;
  Workspace& operator=(Workspace&&) noexcept;

  const Plan& plan() const { return *plan_; }
  std::int64_t batch() const { return plan_->options().batch; }

  /// Gives an input its values, which must stay where they are while runs read them. Throws Error when the number of values is not
  /// that of the input, or the type differs.
  void bind(ValueId input, std::span<const T> values) { bind(input, values.data(), values.size(), dtype_of<T>); }
  void bind(ValueId input, std::span<const std::int64_t> values) { bind(input, values.data(), values.size(), DType::i64); }
  void bind(Var input, std::span<const T> values) { bind(input.id(), values); }
  void bind(Var input, std::span<const std::int64_t> values) { bind(input.id(), values); }
  /// Which random numbers later runs draw.
  void randomize(const Randomness& randomness) { *randomness_ = randomness; }

  /// Runs the full program. Throws Error, before anything is computed, when an input is not bound or the parameters are not those
  /// of the tape.
  void replay(const Parameters& parameters);
  /// Runs the program resumed from options().resume[i]: what depends on that value, the rest as the last full replay left it.
  /// Throws Error when there was none.
  void resume(std::size_t i, const Parameters& parameters);

  /// A value of the last run: an output, the root, or one that is pinned and was not recomputed. Throws Error for any other. The
  /// memory is the workspace's own: the next run overwrites it.
  std::span<const T> value(ValueId id) const;
  std::span<const T> value(Var var) const { return value(var.id()); }

  /// Sweeps the last run backwards from the plan's root, whose gradient is `seed` (its size; empty: all ones), and offers wanted
  /// parameters to `sink`. A run may be swept any number of times, with other seeds and sinks. Throws Error, before anything is
  /// computed, when the sink wants single samples and there are none.
  void reverse(GradientSink<T>& sink, std::span<const T> seed = {});
  /// The gradient of a wanted value that is no parameter, after reverse(). Throws Error for any other.
  std::span<const T> gradient(ValueId id) const;
  std::span<const T> gradient(Var var) const { return gradient(var.id()); }

  /// Sets what happens to a tapped value right after it is computed (or, when it is the resume point, restored): f sees all its
  /// elements and may change them. An empty function removes the hook.
  void tap(ValueId id, std::function<void(std::span<T>)> hook);

 private:
  friend class WorkspaceLayout<T>;
  struct Program;
  struct Input {
    ValueId id;
    const void* values = nullptr;
  };

  std::unique_ptr<Program> lay_out(const Plan::Program& from);
  T* memory(const Plan::Place& place) const;
  const void* resolve(const Plan::Place& place) const;
  std::span<const T> read(const Plan::Place& place, ValueId id) const;
  void bind(ValueId input, const void* values, std::size_t count, DType type);
  void start(Program& program, const Parameters& parameters);
  void run(Program& program);
  std::size_t elements(ValueId id) const;

  std::shared_ptr<const Plan> plan_;
  const kernels::KernelTable<T>* table_;
  AlignedBytes memory_;
  std::vector<Tensor> constants_;          // by node, in the run's type
  std::vector<Input> inputs_;              // those that the plan reads
  std::vector<const Tensor*> parameters_;  // by id, as of the last run
  std::vector<std::unique_ptr<FoldedLayer>> folded_;
  std::vector<std::unique_ptr<Program>> programs_;
  std::vector<std::function<void(std::span<T>)>> hooks_;  // by place in options().taps
  std::unique_ptr<Randomness> randomness_;                // on the heap: programs point to it
  Program* last_ = nullptr;
  bool replayed_ = false;
};

extern template class Workspace<float>;
extern template class Workspace<double>;

}  // namespace safer

#pragma once

#include <vector>

#include "engine/tape/plan.h"
#include "engine/tape/plan_memory.h"

namespace safer {

/// Builds one program of a plan: what to compute, what the reverse sweep does, and where everything lies.
///
/// Time runs in steps: step t < F is the t-th forward step, step F + k differentiates the k-th node of the sweep. Each value
/// and each gradient is alive from the step that first writes it to the last step that reads it; pieces of memory follow from
/// that. Views and in-place results share the piece of the value they stand on.
class ProgramBuilder {
 public:
  /// `steps`: those of the plan. `recompute`: the op nodes of this program. `resumed`: the value it starts from, or no_value for
  /// the full program, whose values marked in `pinned` get places of their own. `full`: the full program, where a resumed one finds
  /// what it does not recompute.
  ProgramBuilder(const Tape& tape, const PlanOptions& options, const std::vector<ForwardStep>& steps,
                 const std::vector<bool>& recompute, ValueId resumed, const std::vector<bool>& pinned, const Plan::Program* full);
  Plan::Program build();

 private:
  using Where = Plan::Place::Where;

  void find_active();
  void list_forward(const std::vector<ForwardStep>& steps);
  void list_reverse();
  void plan_offers();
  void direct_gradients(Plan::ReverseStep& step);
  void measure_values();
  void measure_gradients();
  void share_values();
  void share_gradients();
  void place_all();

  bool is_wanted(ValueId id) const;
  bool offered(ValueId parameter) const;  // as tiles to the sink, rather than as a sum in memory
  bool is_shared_use(ValueId node, ValueId input) const;
  int reverse_time(std::size_t step) const { return static_cast<int>(program_.forward.size() + step); }
  int end_time() const { return static_cast<int>(program_.forward.size() + program_.reverse.size()); }
  std::int64_t lines(ValueId id) const;
  void extend(std::vector<Lifetime>& pieces, ValueId id, int time) const;

  const Tape& tape_;
  const PlanOptions& options_;
  const std::vector<bool>& recompute_;
  const std::vector<bool>& pinned_;
  const Plan::Program* full_;
  Plan::Program program_;
  std::vector<bool> active_;      // a wanted gradient flows through this value
  std::vector<bool> batch_only_;  // parameters whose gradient is summed in memory
  std::vector<bool> own_;         // values that this program writes
  std::vector<int> offer_time_;   // by parameter's node
  std::vector<Lifetime> values_, gradients_;
  std::vector<ValueId> value_root_, gradient_root_;  // whose piece a value or gradient shares
  std::vector<bool> pinned_root_;
};

}  // namespace safer

#pragma once

#include <memory>
#include <vector>

#include "engine/tape/fusion.h"
#include "engine/tape/tape.h"

namespace safer {

/// What a plan is made for; see Plan.
struct PlanOptions {
  std::int64_t batch = 1;   // number of samples
  DType type = DType::f32;  // f32: fast kernels; f64: the reference kernels
  Mode mode = Mode::inference;
  std::vector<ValueId> outputs = {};    // values that can be read after a run
  ValueId root = no_value;              // where a reverse sweep starts
  std::vector<ValueId> gradients = {};  // values whose gradient is wanted; parameters go to a sink, others can be read
  std::vector<ValueId> resume = {};     // values or parameters that will change: from each a program of its own
  std::vector<ValueId> taps = {};       // computed values that a hook will see (and may change) before anything reads them
  bool fuse = true;                     // without gradients: one step for ops that one kernel can do together; rounding may change
};

/// How a tape is run for one batch size and purpose: which nodes, in which order, with which memory. Derived from the tape, which
/// stays as it is; shared by any number of workspaces.
///
/// A plan has one full program and one for each resume point, which recomputes only what depends on that value. Values that a
/// resumed program reads but does not recompute are pinned: the full program writes them to places of their own that no resumed
/// program touches, so that resumed runs can follow one another in any order. A resumed reverse sweep stops at the resume point:
/// it offers only the gradients of what the recomputed nodes read.
///
/// A plan without gradients fuses ops and folds norms (engine/tape/fusion.h), except across outputs, the root, taps, resume points
/// and pinned values: these exist as the tape has them. All programs of a plan have the same steps, so that a resumed run gives a
/// full run's bits. Plans that fuse differently may round differently.
class Plan {
 public:
  /// Throws Error when the options name values that the tape does not have or that cannot play the role.
  Plan(const Tape& tape, PlanOptions options);

  const Tape& tape() const { return tape_; }
  const PlanOptions& options() const { return options_; }
  std::size_t bytes() const { return static_cast<std::size_t>(pinned_lines_ + work_lines_) * 64; }
  std::size_t pinned_bytes() const { return static_cast<std::size_t>(pinned_lines_) * 64; }

  /// Where a value or gradient lies. Offsets count cache lines.
  struct Place {
    enum class Where { nowhere, work, pinned, input, parameter, constant };
    Where where = Where::nowhere;
    std::int64_t at = 0;  // work, pinned: offset; input, parameter, constant: node id
    bool operator==(const Place&) const = default;
  };
  /// A parameter's gradient, offered when the sweep has visited all its uses.
  struct Offer {
    int parameter = -1;
    ValueId value = no_value;
    std::vector<std::pair<ValueId, int>> uses = {};  // (node, input), in execution order
    bool batch_only = false;                         // its sum lies in the gradient place of `value`
  };
  struct ReverseStep {
    ValueId node = no_value;
    bool differentiate = false;           // some input that varies wants a gradient
    std::vector<int> shared_inputs = {};  // computed inputs without batch: gradients of the whole batch
    std::vector<Offer> offers = {};
    std::vector<bool> wanted = {};      // by input: a gradient is wanted, wherever it goes
    std::vector<bool> accumulate = {};  // by input: its gradient place already holds a part
  };
  struct Program {
    ValueId resumed = no_value;                     // the value copied from its pinned place before the first step
    std::vector<ForwardStep> forward = {};          // what to compute, in order
    std::vector<ReverseStep> reverse = {};          // in order of the sweep
    std::vector<Place> value = {}, gradient = {};   // by node
    Place scratch = {};                             // one for all ops, since one runs at a time
    bool mixes_samples = false;                     // per-sample gradients do not exist
    bool batch_only = false;                        // some wanted parameter's gradient exists as the batch's sum only
    std::int64_t work_lines = 0, pinned_lines = 0;  // memory, in cache lines
  };
  const Program& full() const { return programs_.front(); }
  /// The program resumed from options().resume[i].
  const Program& resumed(std::size_t i) const { return programs_[i + 1]; }
  const std::vector<Program>& programs() const { return programs_; }
  /// The forward steps of the full program in words, in order: "conv1 + bn1 + add + relu".
  std::vector<std::string> listing() const;

 private:
  Tape tape_;
  PlanOptions options_;
  std::vector<Program> programs_;
  std::int64_t pinned_lines_ = 0, work_lines_ = 0;
};

}  // namespace safer

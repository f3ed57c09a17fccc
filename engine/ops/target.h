#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "engine/tape/tape.h"

/// The scalar per sample that criteria differentiate, and the loss of training. Logits are [N, classes], class numbers [N] (i64);
/// results are [N]. All throw Error when shapes or types differ from that; a run throws when a class number is not in 0..classes-1.
namespace safer {

/// logit[class]
Var pick(Var logits, Var classes);
/// logit[class] - the largest other logit; the gradient goes to the first that is largest. Throws Error for fewer than 2 classes.
Var margin(Var logits, Var classes);
/// log sum exp(logits) - logit[class]: small losses, and the gradients that belong to them, keep their relative accuracy. With one
/// logit z the classes are 0 and 1 and this is the logistic loss, log(1 + exp(-z)) for class 1.
Var cross_entropy(Var logits, Var classes);
/// sqrt(sum x^2) of each sample's logits; the gradient at 0 is 0.
Var euclidean_norm(Var logits);

/// Which scalar is differentiated: the logit of the network's own answer, that logit minus the runner-up's, the cross-entropy
/// against the network's own answer, the sum of all logits, their Euclidean norm, or the cross-entropy against given labels.
enum class Target { top_logit, margin, pseudo_ce, sum_logits, output_norm, label_ce };
constexpr int target_count = 6;
constexpr std::string_view target_names[target_count] = {"top-logit",  "margin",      "pseudo-ce",
                                                         "sum-logits", "output-norm", "label-ce"};

constexpr std::string_view name(Target target) { return target_names[static_cast<int>(target)]; }
/// Throws Error naming the targets when there is none of this name.
Target find_target(std::string_view name);
/// Whether record_target reads class numbers: of the unperturbed network's answers (predicted_classes), or labels for label_ce. A
/// network with one output is asked by its raw logit, whatever the target, except for label_ce.
bool reads_classes(Target target, const ValueType& logits);
/// Appends the target: [N]. Throws Error when classes are read and not given.
Var record_target(Target target, Var logits, Var classes = {});

/// The class of each row of logits: the first of the largest, or -1 where a logit is NaN, which is no answer and which runs refuse
/// as a class number. With one logit: 1 where it is positive, else 0. Throws Error when the logits are not rows of `classes`.
template <class T>
std::vector<std::int64_t> predicted_classes(std::span<const T> logits, std::int64_t classes);

}  // namespace safer

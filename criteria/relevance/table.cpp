#include "criteria/relevance/table.h"

#include "criteria/names.h"
#include "criteria/relevance/ablation.h"
#include "criteria/relevance/block_influence.h"
#include "criteria/relevance/fisher.h"
#include "criteria/relevance/gig.h"
#include "criteria/relevance/gradcampp.h"
#include "criteria/relevance/gradient.h"
#include "criteria/relevance/hessian_trace.h"
#include "criteria/relevance/hsic.h"
#include "criteria/relevance/idgi.h"
#include "criteria/relevance/ig.h"
#include "criteria/relevance/perturbation.h"
#include "criteria/relevance/smoothgrad.h"
#include "criteria/relevance/vargrad.h"
#include "criteria/relevance/weight.h"
#include "criteria/relevance/weight_x_fisher.h"
#include "criteria/relevance/weight_x_gradient.h"
#include "criteria/relevance/weight_x_jacobian.h"

namespace safer {
namespace {

constexpr const Criterion* criterion_table[] = {
    &weight_criterion,
    &gradient_criterion,
    &weight_x_gradient_criterion,
    &gradcampp_criterion,
    &ig_criterion,
    &gig_criterion,
    &idgi_criterion,
    &smoothgrad_criterion,
    &vargrad_criterion,
    &hsic_criterion,
    &perturbation_criterion,
    &ablation_criterion,
    &weight_x_jacobian_criterion,
    &fisher_criterion,
    &weight_x_fisher_criterion,
    &hessian_trace_criterion,
    &block_influence_criterion,
};

constexpr Preset preset_table[] = {
    {PresetId::recommended, "recommended", "pseudo-ce", "perturbation", "l2"},
    {PresetId::paper, "paper", "top-logit", "weight-x-gradient", "linf"},
};

}  // namespace

std::span<const Criterion* const> criteria() { return criterion_table; }
const Criterion& find_criterion(std::string_view name) { return *find_named("criterion", criteria(), name); }

std::span<const Preset> presets() { return preset_table; }
const Preset& find_preset(std::string_view name) { return find_named("preset", presets(), name); }

}  // namespace safer

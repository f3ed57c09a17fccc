// The same bits for any number of threads and any way of sharing buffers.

#include <doctest/doctest.h>

#include "engine/parallel.h"
#include "tests/engine/ops/op_case.h"

namespace safer::test {
namespace {

// Elements of a value that make loops over it worth running in parallel, and numbers of threads; the fewest where everything is
// slow.
#if defined(SAFER_SANITIZED) || defined(SAFER_EMULATED)
constexpr std::int64_t many = 1 << 17;
constexpr int numbers_of_threads[] = {3};
#else
constexpr std::int64_t many = 1 << 18;
constexpr int numbers_of_threads[] = {2, 4};
#endif

std::int64_t large_batch(const Tape& tape) {
  std::int64_t elements = 1;
  for (const Node& node : tape.nodes())
    if (node.type.batched()) elements = std::max(elements, node.type.shape.size());
  return std::max<std::int64_t>(3, many / elements);
}

struct Threads {
  explicit Threads(int threads) : before(available_threads()) { set_threads(threads); }
  ~Threads() { set_threads(before); }
  int before;
};

bool same(const Outcome& a, const Outcome& b) { return a.output == b.output && a.gradients == b.gradients; }

}  // namespace

TEST_CASE("ops: the number of threads changes no bit") {
  for (const OpCase& op_case : all_cases()) {
    const Recorded recorded(op_case);
    const std::int64_t batch = large_batch(recorded.tape);
    const Data data = recorded.draw(batch);
    const std::vector<double> seed = recorded.seed(batch);
    const auto run = [&](int threads) {
      const Threads scope(threads);
      return differentiate<float>(recorded.tape, recorded.root, data, seed);
    };
    const Outcome alone = run(1);
    INFO(op_case.op, ", ", op_case.label, ", batch ", batch);
    for (const int threads : numbers_of_threads) CHECK_MESSAGE(same(run(threads), alone), threads, " threads");
  }
}

TEST_CASE("ops: sharing buffers changes no bit") {
  for (const OpCase& op_case : all_cases())
    for (const Stand stand : {Stand::plain, Stand::computed}) {
      const Recorded recorded(op_case, stand);
      const Data data = recorded.draw(4);
      Runner<float> lean(recorded.tape, {.outputs = {recorded.root}}, data);
      Runner<float> whole(recorded.tape, {.outputs = {recorded.root}, .root = recorded.root, .gradients = leaves(recorded.tape)},
                          data);
      lean.replay();
      whole.replay();
      INFO(op_case.op, ", ", op_case.label);
      CHECK(lean.value(recorded.root) == whole.value(recorded.root));
      lean.replay();
      CHECK_MESSAGE(lean.value(recorded.root) == whole.value(recorded.root), "second replay");
    }
}

}  // namespace safer::test

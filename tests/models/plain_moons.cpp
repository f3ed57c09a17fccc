#include "tests/models/plain_moons.h"

#include <cmath>

namespace safer::test {
namespace {

using Vector = std::vector<double>;

class Plain {
 public:
  explicit Plain(const Parameters& parameters) : parameters_(parameters) {}

  Vector dense(const std::string& name, const Vector& x) const {
    const Tensor &W = parameters_[name + ".weight"], &b = parameters_[name + ".bias"];
    Vector y(static_cast<std::size_t>(W.shape()[0]));
    for (std::size_t o = 0; o < y.size(); ++o) {
      y[o] = b.values<float>()[o];
      for (std::size_t i = 0; i < x.size(); ++i) y[o] += double{W.values<float>()[o * x.size() + i]} * x[i];
    }
    return y;
  }

  Vector norm(const std::string& name, const Vector& x) const {
    double mean = 0, variance = 0;
    for (const double v : x) mean += v / static_cast<double>(x.size());
    for (const double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
    Vector y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i)
      y[i] = parameters_[name + ".weight"].values<float>()[i] * (x[i] - mean) / std::sqrt(variance + 1e-5) +
             parameters_[name + ".bias"].values<float>()[i];
    return y;
  }

  /// One token's answer to its query: the softmax-weighted values of all tokens, for each head on its own columns.
  static Vector attend(const Vector& q, const std::vector<Vector>& k, const std::vector<Vector>& v) {
    const std::size_t d = q.size(), part = d / static_cast<std::size_t>(moons_heads);
    Vector y(d);
    for (std::size_t head = 0; head < d; head += part) {
      Vector weight(k.size());
      double sum = 0;
      for (std::size_t t = 0; t < k.size(); ++t) {
        double score = 0;
        for (std::size_t c = head; c < head + part; ++c) score += q[c] * k[t][c];
        weight[t] = std::exp(score / std::sqrt(static_cast<double>(part)));
        sum += weight[t];
      }
      for (std::size_t t = 0; t < k.size(); ++t)
        for (std::size_t c = head; c < head + part; ++c) y[c] += weight[t] / sum * v[t][c];
    }
    return y;
  }

  float position(std::size_t token, std::size_t c, std::size_t d) const {
    return parameters_["positions"].values<float>()[token * d + c];
  }

 private:
  const Parameters& parameters_;
};

Vector relu(Vector x) {
  for (double& v : x) v = v > 0 ? v : 0;
  return x;
}
Vector gelu(Vector x) {
  for (double& v : x) v = v * 0.5 * (1 + std::erf(v / std::sqrt(2.0)));
  return x;
}
void add(Vector& x, const Vector& y, double scale = 1) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += scale * y[i];
}

Vector skip(const Plain& plain, const MoonsOptions& options, const Vector& x) {
  Vector h = plain.dense("stem", x);
  for (std::int64_t i = 0; i < options.depth; ++i) {
    const std::string block = "blocks." + std::to_string(i) + ".dense";
    Vector branch = relu(plain.dense(block + "1", h));
    if (options.block_layers == 2) branch = relu(plain.dense(block + "2", branch));
    const double survival = 1 - 0.5 * static_cast<double>(i + 1) / static_cast<double>(options.depth);
    add(h, branch, options.family == MoonsFamily::skip_sd ? survival : 1);
  }
  return plain.dense("head", h);
}

Vector transformer(const Plain& plain, const MoonsOptions& options, const Vector& x) {
  std::vector<Vector> h;
  for (std::size_t t = 0; t < x.size(); ++t) {
    h.push_back(plain.dense("embed", {x[t]}));
    for (std::size_t c = 0; c < h[t].size(); ++c) h[t][c] += plain.position(t, c, h[t].size());
  }
  for (std::int64_t i = 0; i < options.depth; ++i) {
    const std::string block = "blocks." + std::to_string(i) + ".";
    std::vector<Vector> q, k, v;
    for (const Vector& token : h) {
      const Vector n = plain.norm(block + "norm1", token);
      q.push_back(plain.dense(block + "attention.q", n));
      k.push_back(plain.dense(block + "attention.k", n));
      v.push_back(plain.dense(block + "attention.v", n));
    }
    for (std::size_t t = 0; t < h.size(); ++t) add(h[t], plain.dense(block + "attention.out", Plain::attend(q[t], k, v)));
    for (Vector& token : h)
      add(token, plain.dense(block + "mlp.fc2", gelu(plain.dense(block + "mlp.fc1", plain.norm(block + "norm2", token)))));
  }
  Vector mean = h[0];
  add(mean, h[1]);
  for (double& v : mean) v /= 2;
  return plain.dense("head", mean);
}

}  // namespace

std::vector<double> plain_logits(const Network& network, const MoonsOptions& options, double x0, double x1) {
  const Plain plain(network.parameters);
  Vector h{x0, x1};
  if (options.family == MoonsFamily::transformer) return transformer(plain, options, h);
  if (options.family != MoonsFamily::vanilla) return skip(plain, options, h);
  for (std::int64_t i = 0; i < options.depth; ++i) h = relu(plain.dense("layers." + std::to_string(i), h));
  return plain.dense("head", h);
}

}  // namespace safer::test

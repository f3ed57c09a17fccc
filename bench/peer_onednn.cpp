// oneDNN, by its interface of version 2.
#include <dnnl.hpp>
#include <omp.h>

#include <cstring>
#include <unordered_map>

#include "bench/peers.h"
#include "engine/error.h"

namespace safer::bench {

void onednn_gemm(float* c, const float* a, const float* b, std::int64_t m, std::int64_t n, std::int64_t k, int threads) {
  omp_set_num_threads(threads);
  dnnl_sgemm('N', 'N', m, n, k, 1, a, k, b, n, 0, c, n);
}

namespace {

using Tag = dnnl::memory::format_tag;

class OnednnConvolution final : public PeerConvolution {
 public:
  OnednnConvolution(const kernels::Conv& c, Direction direction, const Floats& x, const Floats& weights, const Floats& y,
                    int threads)
      : threads_(threads) {
    if (c.groups != 1) throw Error("onednn: {} groups, expected 1", c.groups);
    omp_set_num_threads(threads);
    const dnnl::memory::dims of_x{c.samples, c.in_channels, c.rows.in, c.columns.in},
        of_w{c.out_channels, c.in_channels, c.rows.taps, c.columns.taps},
        of_y{c.samples, c.out_channels, c.rows.out, c.columns.out}, strides{c.rows.stride, c.columns.stride},
        before{c.rows.before, c.columns.before}, after{behind(c.rows), behind(c.columns)};
    const auto any = [](const dnnl::memory::dims& dims) {
      return dnnl::memory::desc(dims, dnnl::memory::data_type::f32, Tag::any);
    };
    constexpr auto direct = dnnl::algorithm::convolution_direct;
    const dnnl::convolution_forward::primitive_desc forward(
        {dnnl::prop_kind::forward_training, direct, any(of_x), any(of_w), any(of_y), strides, before, after}, engine_);
    if (direction == Direction::forward) {
      arguments_ = {{DNNL_ARG_SRC, ours(x, of_x, forward.src_desc())},
                    {DNNL_ARG_WEIGHTS, ours(weights, of_w, forward.weights_desc())},
                    {DNNL_ARG_DST, dnnl::memory(forward.dst_desc(), engine_)}};
      primitive_ = dnnl::convolution_forward(forward);
      result_ = DNNL_ARG_DST, shape_ = of_y;
    } else if (direction == Direction::input_gradient) {
      const dnnl::convolution_backward_data::primitive_desc d({direct, any(of_x), any(of_w), any(of_y), strides, before, after},
                                                              engine_, forward);
      arguments_ = {{DNNL_ARG_DIFF_DST, ours(y, of_y, d.diff_dst_desc())},
                    {DNNL_ARG_WEIGHTS, ours(weights, of_w, d.weights_desc())},
                    {DNNL_ARG_DIFF_SRC, dnnl::memory(d.diff_src_desc(), engine_)}};
      primitive_ = dnnl::convolution_backward_data(d);
      result_ = DNNL_ARG_DIFF_SRC, shape_ = of_x;
    } else {
      const dnnl::convolution_backward_weights::primitive_desc d({direct, any(of_x), any(of_w), any(of_y), strides, before, after},
                                                                 engine_, forward);
      arguments_ = {{DNNL_ARG_DIFF_DST, ours(y, of_y, d.diff_dst_desc())},
                    {DNNL_ARG_SRC, ours(x, of_x, d.src_desc())},
                    {DNNL_ARG_DIFF_WEIGHTS, dnnl::memory(d.diff_weights_desc(), engine_)}};
      primitive_ = dnnl::convolution_backward_weights(d);
      result_ = DNNL_ARG_DIFF_WEIGHTS, shape_ = of_w;
    }
  }

  void run() override {
    omp_set_num_threads(threads_);
    primitive_.execute(stream_, arguments_);
    stream_.wait();
  }

  Floats result() override {
    dnnl::memory& theirs = arguments_.at(result_);
    dnnl::memory plain({shape_, dnnl::memory::data_type::f32, Tag::abcd}, engine_);
    dnnl::reorder(theirs, plain).execute(stream_, theirs, plain);
    stream_.wait();
    const auto* values = static_cast<const float*>(plain.get_data_handle());
    return {values, values + plain.get_desc().get_size() / sizeof(float)};
  }

 private:
  static std::int64_t behind(const kernels::WindowAxis& axis) {
    return (axis.out - 1) * axis.stride + axis.taps - axis.in - axis.before;
  }
  dnnl::memory ours(const Floats& values, const dnnl::memory::dims& shape, const dnnl::memory::desc& wanted) {
    dnnl::memory plain({shape, dnnl::memory::data_type::f32, Tag::abcd}, engine_), theirs(wanted, engine_);
    std::memcpy(plain.get_data_handle(), values.data(), values.size() * sizeof(float));
    dnnl::reorder(plain, theirs).execute(stream_, plain, theirs);
    stream_.wait();
    return theirs;
  }

  int threads_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::primitive primitive_;
  std::unordered_map<int, dnnl::memory> arguments_;
  int result_ = 0;
  dnnl::memory::dims shape_;
};

}  // namespace

std::unique_ptr<PeerConvolution> onednn_convolution(const kernels::Conv& conv, Direction direction, const Floats& x,
                                                    const Floats& weights, const Floats& y, int threads) {
  return std::make_unique<OnednnConvolution>(conv, direction, x, weights, y, threads);
}

}  // namespace safer::bench

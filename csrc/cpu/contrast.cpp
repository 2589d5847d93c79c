// The contrastive losses on the CPU: NT-Xent (SimCLR, arXiv:2002.05709, Eq. 1), decoupled
// (arXiv:2110.06848), InfoNCE between two towers (CLIP, arXiv:2103.00020) and supervised
// (arXiv:2004.11362, Eq. 2). One engine: they differ in which pairs of rows count, and in what is
// made of a row's sums.
//
//   in    z0, z1 [B, D]; N = 2B rows, row i pairs with p(i) = (i + B) mod N
//         supervised: z0 [N, D] with labels [N], no z1
//   out   loss per row [N], or their sum times a weight; and the gradients
//
//   u_i   = z_i / max(|z_i|, 1e-12), or z_i without normalising
//   s_ij  = u_i·u_j,   k = 1/τ
//   A(i)  = the rows that i is compared with: all but i; two towers: those of the other view
//   n_i   = Σ_{j in A(i), j ≠ p(i)} exp(s_ij·k)          d_i = log n_i - s_ip·k
//
//   NT-Xent, InfoNCE   loss_i = log(1 + exp(d_i))        c_i = g_i·σ(d_i)       g_i: upstream
//   decoupled          loss_i = d_i                      c_i = g_i
//     G_ij = exp(s_ij·k)·(c_i/n_i + c_j/n_j),   G_ip = -(c_i + c_p)
//   supervised, with P(i) the other rows of i's label, n_i over A(i) without them, a_i over them:
//     d_i = log n_i - log a_i;   loss_i = log a_i - k·mean_{p in P(i)} s_ip + log(1 + exp(d_i)),
//     or 0 without positives;    c_i = g_i·σ(d_i)
//     G_ij = exp(s_ij·k)·(c_i/n_i + c_j/n_j)                                 of different labels
//     G_ij = exp(s_ij·k)·((g_i - c_i)/a_i + (g_j - c_j)/a_j) - (g_i/|P(i)| + g_j/|P(j)|)
//     A label of two rows makes them a pair: G_ip = -(c_i + c_p), which that would round away.
//
//   ∂L/∂u_i = k·Σ_j G_ij·u_j                             row and column role of i at once
//   ∂L/∂z_i = (∂L/∂u_i - u_i·(u_i·∂L/∂u_i)) / |z_i|      (|z_i| < 1e-12: ∂L/∂u_i / 1e-12)
//   ∂L/∂τ   = -k²·Σ_i c_i·(E_n[s_i] - s_ip)              E_n: mean weighed by exp(s_ij·k)
//             supervised: -k²·Σ_i [g_i·(E_a[s_i] - mean s_ip) + c_i·(E_n[s_i] - E_a[s_i])]
//
// The positive stays out of n_i: σ(d_i) = 1 - p_ip keeps its digits when p_ip rounds to 1, and with
// B = 1 (no negatives, n = 0) NT-Xent and its gradient are exactly 0.
//
// S is symmetric, so only what is on and above the diagonal is computed, once for n and once more
// for G, in tiles that serve their rows and their columns. A block's tiles are visited one after
// the other: every sum has one order, whatever the number of threads. Where rows have length 1
// and τ is not very small, exp(s_ij·k) fits the exponents of a float; elsewhere each row's maximum
// is taken out.
//
// Not stored: any N x N matrix. Memory is four times the rows, and as many tiles as fit the
// workspace, which are not computed twice.

#include "contrast.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/scalar_tensor.h>
#include <torch/library.h>

#include <optional>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../check.h"
#include "contrast_engine.h"

namespace {

using at::Tensor;
using simclr_bench::ContrastKernels;
using simclr_bench::Engine;
using simclr_bench::Objective;
using simclr_bench::Segment;

Objective parse_objective(const char* op, c10::string_view name) {
  if (name == "nt_xent") return Objective::kNTXent;
  if (name == "decoupled") return Objective::kDecoupled;
  if (name == "info_nce") return Objective::kInfoNCE;
  TORCH_CHECK(name == "supervised", op,
              ": objective must be nt_xent, decoupled, info_nce or supervised, got ", name);
  return Objective::kSupervised;
}

struct Arguments {
  const char* op;
  Tensor z0, z1;  // contiguous, in the kernels' type
  Tensor labels;  // undefined without labels
  Tensor others;  // [2, M / 2, D] or undefined
  double temperature;
  Objective objective;
  bool normalize;

  int64_t rows() const { return z0.size(0) + z1.size(0); }
  int64_t other_rows() const { return others.defined() ? others.size(0) * others.size(1) : 0; }
};

// So few rows are computed in double, which costs nothing there. A gradient of few terms may cancel
// to much less than any of them, and then shows how each was rounded.
constexpr int64_t kFewRows = 16;

// The type that the kernels read; they compute bfloat16 in float32.
at::ScalarType kernel_dtype(const Tensor& z, int64_t rows) {
  if (z.scalar_type() == at::kDouble || rows <= kFewRows) return at::kDouble;
  const bool bfloat16 = z.scalar_type() == at::kBFloat16 && simclr_bench::bfloat16_kernels();
  return bfloat16 ? at::kBFloat16 : at::kFloat;
}

at::ScalarType loss_dtype(const Tensor& z) {
  return z.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

double temperature_of(const char* op, double temperature, const std::optional<Tensor>& learned) {
  if (!learned) {
    simclr_bench::check_temperature(op, temperature);
    return temperature;
  }
  TORCH_CHECK(
      learned->dim() == 0 && learned->is_cpu() && at::isFloatingType(learned->scalar_type()), op,
      ": learned_temperature must be a floating-point number on the CPU, got ", learned->sizes(),
      " ", learned->scalar_type(), " on ", learned->device());
  return learned->item<double>();
}

Arguments check(const char* op, const Tensor& z0, const Tensor& z1,
                const std::optional<Tensor>& labels, const std::optional<Tensor>& others,
                double temperature, const std::optional<Tensor>& learned,
                c10::string_view objective, bool normalize) {
  Arguments a{op,
              {},
              {},
              {},
              {},
              temperature_of(op, temperature, learned),
              parse_objective(op, objective),
              normalize};
  if (a.objective == Objective::kSupervised) {
    TORCH_CHECK(z0.dim() == 2 && z0.numel() > 0, op, ": z0 must be [N, D], got ", z0.sizes());
    TORCH_CHECK(z1.dim() == 2 && z1.size(0) == 0, op, ": z1 must be empty with labels, got ",
                z1.sizes());
    TORCH_CHECK(labels && labels->dim() == 1 && labels->size(0) == z0.size(0) &&
                    labels->scalar_type() == at::kLong && labels->is_cpu(),
                op, ": labels must be int64 [", z0.size(0), "] on the CPU");
    a.labels = labels->contiguous();
  } else {
    simclr_bench::check_pair(op, "z0", z0, "z1", z1);
    TORCH_CHECK(!labels, op, ": labels are for the supervised objective only");
  }
  simclr_bench::check_floating(op, z0, /*float64_allowed=*/true);
  const int64_t among = others && others->dim() == 3 ? others->size(0) * others->size(1) : 0;
  const at::ScalarType dtype = kernel_dtype(z0, z0.size(0) + z1.size(0) + among);
  a.z0 = z0.to(dtype).contiguous();
  a.z1 = z1.to(dtype).contiguous();
  if (others) {
    TORCH_CHECK(a.objective == Objective::kNTXent || a.objective == Objective::kDecoupled, op,
                ": others are for the nt_xent and decoupled objectives only");
    TORCH_CHECK(others->dim() == 3 && others->size(0) == 2 && others->size(2) == z0.size(1) &&
                    others->device() == z0.device(),
                op, ": others must be [2, pairs, ", z0.size(1), "], got ", others->sizes());
    a.others = others->to(dtype).contiguous();
  }
  return a;
}

// Labels as 0, 1, 2, ... in the order of their first appearance.
template <typename T>
std::vector<T> numbered(const Tensor& labels) {
  std::vector<T> result;
  if (!labels.defined()) return result;
  std::unordered_map<int64_t, int64_t> numbers;
  const int64_t* p = labels.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < labels.size(0); ++i) {
    result.push_back(static_cast<T>(numbers.emplace(p[i], numbers.size()).first->second));
  }
  return result;
}

template <typename T>
const ContrastKernels<T>& kernels_for(const Arguments& a) {
  if constexpr (std::is_same_v<T, float>) {
    if (a.z0.scalar_type() == at::kBFloat16) return *simclr_bench::bfloat16_kernels();
    return simclr_bench::float32_kernels(a.rows() + a.other_rows(), a.normalize);
  } else {
    return simclr_bench::float64_kernels();
  }
}

template <typename T>
Engine<T> make_engine(const Arguments& a) {
  std::vector<Segment> own{{a.z0.const_data_ptr(), a.z0.size(0)}};
  if (a.z1.size(0)) own.push_back({a.z1.const_data_ptr(), a.z1.size(0)});
  std::vector<Segment> others;
  if (a.others.defined() && a.others.numel()) {
    for (int64_t view = 0; view < 2; ++view) {
      others.push_back({a.others.select(0, view).const_data_ptr(), a.others.size(1)});
    }
  }
  return Engine<T>(kernels_for<T>(a), a.objective, own, others, numbered<T>(a.labels), a.z0.size(1),
                   a.temperature, a.normalize);
}

// The gradients of z0, z1 and the temperature.
template <typename T, typename Upstream>
std::tuple<Tensor, Tensor, Tensor> gradients(Engine<T>& engine, const Arguments& a,
                                             Upstream upstream) {
  Tensor grad_z0 = at::empty_like(a.z0);
  Tensor grad_z1 = at::empty_like(a.z1);
  std::vector<void*> outputs{grad_z0.mutable_data_ptr()};
  std::vector<int64_t> rows{a.z0.size(0)};
  if (a.z1.size(0)) {
    outputs.push_back(grad_z1.mutable_data_ptr());
    rows.push_back(a.z1.size(0));
  }
  const double grad_temperature = engine.make_gradients(upstream, outputs, rows);
  return {grad_z0, grad_z1, at::scalar_tensor(grad_temperature, at::kDouble)};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> contrast(
    const Tensor& z0, const Tensor& z1, const std::optional<Tensor>& labels, double temperature,
    const std::optional<Tensor>& learned_temperature, c10::string_view objective, bool normalize,
    bool mean, bool with_gradient, int64_t workspace_bytes) {
  const Arguments a = check("contrast", z0, z1, labels, std::nullopt, temperature,
                            learned_temperature, objective, normalize);
  const auto run = [&](auto scalar) -> std::tuple<Tensor, Tensor, Tensor, Tensor> {
    using T = decltype(scalar);
    Engine<T> engine = make_engine<T>(a);
    engine.make_sums(with_gradient ? workspace_bytes : 0, with_gradient && learned_temperature);
    // Without any row to average over, the loss is 0.
    const double weight = mean ? 1.0 / std::max<int64_t>(1, engine.anchors()) : 1.0;
    double sum = 0;
    for (int64_t i = 0; i < engine.rows(); ++i) sum += engine.loss(i);
    const Tensor loss = at::scalar_tensor(weight * sum, loss_dtype(z0));
    if (!with_gradient) {
      const Tensor none = at::empty({0}, a.z0.options());
      return {loss, none.to(z0.scalar_type()), none.to(z0.scalar_type()).clone(),
              at::empty({0}, a.z0.options().dtype(at::kDouble))};
    }
    auto [grad_z0, grad_z1, grad_temperature] =
        gradients(engine, a, [&](int64_t) { return weight; });
    return {loss, grad_z0.to(z0.scalar_type()), grad_z1.to(z1.scalar_type()), grad_temperature};
  };
  return a.z0.scalar_type() == at::kDouble ? run(double()) : run(float());
}

std::tuple<Tensor, Tensor> contrast_forward(const Tensor& z0, const Tensor& z1,
                                            const std::optional<Tensor>& labels,
                                            const std::optional<Tensor>& others, double temperature,
                                            const std::optional<Tensor>& learned_temperature,
                                            c10::string_view objective, bool normalize) {
  const Arguments a = check("contrast_forward", z0, z1, labels, others, temperature,
                            learned_temperature, objective, normalize);
  const auto run = [&](auto scalar) -> std::tuple<Tensor, Tensor> {
    using T = decltype(scalar);
    Engine<T> engine = make_engine<T>(a);
    engine.make_sums(0, learned_temperature.has_value());
    Tensor loss = at::empty({engine.rows()}, c10::CppTypeToScalarType<T>::value);
    Tensor statistics = at::empty({engine.kinds(), engine.rows()}, at::kDouble);
    T* out = loss.mutable_data_ptr<T>();
    for (int64_t i = 0; i < engine.rows(); ++i) out[i] = static_cast<T>(engine.loss(i));
    engine.save_statistics(statistics.mutable_data_ptr<double>());
    return {loss.to(loss_dtype(z0)), statistics};
  };
  return a.z0.scalar_type() == at::kDouble ? run(double()) : run(float());
}

std::tuple<Tensor, Tensor, Tensor> contrast_backward(
    const Tensor& grad, const Tensor& z0, const Tensor& z1, const std::optional<Tensor>& labels,
    const std::optional<Tensor>& others, const Tensor& statistics, double temperature,
    const std::optional<Tensor>& learned_temperature, c10::string_view objective, bool normalize) {
  constexpr const char* kOp = "contrast_backward";
  const Arguments a =
      check(kOp, z0, z1, labels, others, temperature, learned_temperature, objective, normalize);
  simclr_bench::check_saved(kOp, z0, grad, statistics, a.labels.defined() ? 7 : 4,
                            a.rows() + a.other_rows());
  const Tensor upstream = grad.to(at::kDouble).contiguous();
  const Tensor saved = statistics.contiguous();
  const double* g = upstream.const_data_ptr<double>();
  const auto run = [&](auto scalar) -> std::tuple<Tensor, Tensor, Tensor> {
    using T = decltype(scalar);
    Engine<T> engine = make_engine<T>(a);
    engine.load_statistics(saved.const_data_ptr<double>());
    auto [grad_z0, grad_z1, grad_temperature] =
        gradients(engine, a, [&](int64_t i) { return g[i]; });
    return {grad_z0.to(z0.scalar_type()), grad_z1.to(z1.scalar_type()), grad_temperature};
  };
  return a.z0.scalar_type() == at::kDouble ? run(double()) : run(float());
}

// What the backward of `contrast` returns: its saved gradients times the upstream one. The inputs
// are arguments so that a second derivative reaches this operator, and is refused.
std::tuple<Tensor, Tensor, Tensor> contrast_scale(const Tensor& grad, const Tensor& /*z0*/,
                                                  const Tensor& /*z1*/,
                                                  const std::optional<Tensor>& /*learned*/,
                                                  const Tensor& grad_z0, const Tensor& grad_z1,
                                                  const Tensor& grad_temperature,
                                                  c10::string_view /*objective*/) {
  TORCH_CHECK(grad.dim() == 0, "contrast_scale: grad must be a number, got ", grad.sizes());
  return {at::mul(grad_z0, grad), at::mul(grad_z1, grad), at::mul(grad_temperature, grad)};
}

}  // namespace

TORCH_LIBRARY_IMPL(simclr_bench, CPU, m) {
  m.impl("contrast", &contrast);
  m.impl("contrast_scale", &contrast_scale);
  m.impl("contrast_forward", &contrast_forward);
  m.impl("contrast_backward", &contrast_backward);
}

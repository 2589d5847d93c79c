// NT-Xent from raw embeddings on the CPU, forward and backward (SimCLR, arXiv:2002.05709, Eq. 1).
//
//   in    z0, z1 [B, D]; N = 2B rows, row i pairs with p(i) = (i + B) mod N
//   out   loss [N]; statistics [3, N]: m, a and u_i·u_p below
//
//   u_i    = z_i / max(|z_i|, 1e-12), or z_i with normalize = false
//   s_ij   = u_i·u_j,   k = 1/τ,   negatives of i: every j but i and p(i)
//   m_i    = max_j s_ij                        over the negatives
//   a_i    = log Σ_j exp((s_ij - m_i)·k)       over the negatives
//   d_i    = (m_i - s_ip)·k + a_i
//   loss_i = log(1 + exp(d_i))
//
// With upstream gradients g and c_i = g_i·σ(d_i), the row and the column terms together:
//
//   ∂L/∂u_i = k·( Σ_j [c_i·exp((s_ij - m_i)·k - a_i) + c_j·exp((s_ij - m_j)·k - a_j)]·u_j
//                 - (c_i + c_p)·u_p )
//   ∂L/∂z_i = (∂L/∂u_i - u_i·(u_i·∂L/∂u_i)) / |z_i|     (|z_i| < 1e-12: ∂L/∂u_i / 1e-12)
//
// The positive stays out of the sum: σ(d_i) = 1 - p_ip keeps its digits when p_ip rounds to 1, and
// with B = 1 (no negatives, a = -inf) loss and gradient are exactly 0. m and a are never added up:
// m·k has size 1/τ and would round a away.
//
// Not stored: any N x N matrix. Similarities are computed for 16 rows at a time and once more in
// the backward; memory is O(N·D + threads·16·N). Rows are independent of each other, so the result
// does not depend on the number of threads.
//
// Rows and similarities are in double for every dtype, since 1/τ magnifies their rounding; weights
// and gradients are in acc_t: float, or double for double inputs.

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "../check.h"
#include "panel_matmul.h"

namespace {

using simclr_bench::block_times_panels;
using simclr_bench::ceil_div;
using simclr_bench::kBlockRows;
using simclr_bench::pack_panels;
using simclr_bench::Panels;

constexpr double kEpsilon = 1e-12;  // torch.nn.functional.normalize's
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The N rows as the loss sees them. Padded with zero rows to whole blocks.
struct UnitRows {
  int64_t n;
  int64_t dim;
  std::vector<double> rows;   // [N rounded up to blocks, D]
  std::vector<double> norms;  // [N]; 1 without normalization

  const double* row(int64_t i) const { return rows.data() + i * dim; }
  int64_t pair(int64_t i) const { return i < n / 2 ? i + n / 2 : i - n / 2; }
};

template <typename acc_t>
UnitRows unit_rows(const at::Tensor& z0, const at::Tensor& z1, bool normalize) {
  const int64_t n = 2 * z0.size(0);
  const int64_t dim = z0.size(1);
  UnitRows u{n, dim, {}, {}};
  u.rows.resize(ceil_div(n, kBlockRows) * kBlockRows * dim);
  u.norms.resize(n, 1.0);
  const acc_t* sources[] = {z0.const_data_ptr<acc_t>(), z1.const_data_ptr<acc_t>()};
  for (int64_t i = 0; i < n; ++i) {
    const acc_t* z = sources[i / (n / 2)] + i % (n / 2) * dim;
    if (normalize) {
      double squares = 0;
      for (int64_t d = 0; d < dim; ++d) squares += static_cast<double>(z[d]) * z[d];
      u.norms[i] = std::sqrt(squares);
    }
    // Not std::max, which would take the constant over a NaN.
    const double divisor = u.norms[i] < kEpsilon ? kEpsilon : u.norms[i];
    for (int64_t d = 0; d < dim; ++d) {
      u.rows[i * dim + d] = z[d] / divisor;
    }
  }
  return u;
}

Panels<double> similarity_panels(const UnitRows& u) {
  return pack_panels<double>(u.rows.data(), u.dim, u.n, 1, u.dim);
}

double log_one_plus_exp(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

double sigmoid(double x) {
  const double e = std::exp(-std::abs(x));
  return (x < 0 ? e : 1.0) / (1 + e);
}

// statistics [3, N] as three rows.
template <typename pointer_t>
struct Statistics {
  pointer_t maximum;
  pointer_t log_sum;
  pointer_t positive;

  Statistics(pointer_t data, int64_t n)
      : maximum(data), log_sum(data + n), positive(data + 2 * n) {}
  double gap(int64_t i, double k) const { return (maximum[i] - positive[i]) * k + log_sum[i]; }
};

template <typename acc_t>
void forward(const at::Tensor& z0, const at::Tensor& z1, double temperature, bool normalize,
             at::Tensor& loss, at::Tensor& statistics) {
  const auto u = unit_rows<acc_t>(z0, z1, normalize);
  const auto panels = similarity_panels(u);
  const int64_t n = u.n;
  const double k = 1 / temperature;
  const Statistics<double*> s(statistics.mutable_data_ptr<double>(), n);
  acc_t* out = loss.mutable_data_ptr<acc_t>();

  at::parallel_for(0, ceil_div(n, kBlockRows), 1, [&](int64_t begin, int64_t end) {
    std::vector<double> similarities(kBlockRows * panels.columns);
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kBlockRows;
      block_times_panels(u.row(first), u.dim, panels, similarities.data());
      for (int64_t i = first; i < std::min(first + kBlockRows, n); ++i) {
        double* row = similarities.data() + (i - first) * panels.columns;
        s.positive[i] = row[u.pair(i)];
        row[i] = row[u.pair(i)] = -kInfinity;
        double maximum = -kInfinity;
        for (int64_t j = 0; j < n; ++j) maximum = row[j] > maximum ? row[j] : maximum;
        double sum = 0;
        if (n > 2) {  // else no negatives: (-inf) - (-inf) would be NaN
          for (int64_t j = 0; j < n; ++j)
            sum += std::exp(static_cast<acc_t>((row[j] - maximum) * k));
        }
        s.maximum[i] = maximum;
        s.log_sum[i] = std::log(sum);
        out[i] = static_cast<acc_t>(log_one_plus_exp(s.gap(i, k)));
      }
    }
  });
}

// dz [D] from du [D]: the chain rule through u = z / max(|z|, epsilon).
template <typename acc_t>
void project(const acc_t* du, const double* u, double norm, int64_t dim, bool normalize,
             acc_t* dz) {
  const bool on_sphere = normalize && !(norm < kEpsilon);
  double along = 0;
  if (on_sphere) {
    for (int64_t d = 0; d < dim; ++d) along += du[d] * u[d];
  }
  const double divisor = norm < kEpsilon ? kEpsilon : norm;
  for (int64_t d = 0; d < dim; ++d) dz[d] = static_cast<acc_t>((du[d] - along * u[d]) / divisor);
}

template <typename acc_t>
void backward(const at::Tensor& grad, const at::Tensor& z0, const at::Tensor& z1,
              const at::Tensor& statistics, double temperature, bool normalize, at::Tensor& grad_z0,
              at::Tensor& grad_z1) {
  const auto u = unit_rows<acc_t>(z0, z1, normalize);
  const auto panels = similarity_panels(u);
  const auto row_panels = pack_panels<acc_t>(u.rows.data(), u.n, u.dim, u.dim, 1);
  const int64_t n = u.n;
  const double k = 1 / temperature;
  const acc_t acc_k = static_cast<acc_t>(k);
  const Statistics<const double*> s(statistics.const_data_ptr<double>(), n);
  const acc_t* g = grad.const_data_ptr<acc_t>();
  acc_t* outputs[] = {grad_z0.mutable_data_ptr<acc_t>(), grad_z1.mutable_data_ptr<acc_t>()};

  std::vector<acc_t> coefficient(n);  // c_i·exp(-a_i): what multiplies exp((s_ij - m_i)·k)
  std::vector<double> upstream(n);    // c_i
  for (int64_t i = 0; i < n; ++i) {
    upstream[i] = g[i] * sigmoid(s.gap(i, k));
    const bool has_negatives = s.log_sum[i] != -kInfinity;
    coefficient[i] = has_negatives ? static_cast<acc_t>(upstream[i] * std::exp(-s.log_sum[i])) : 0;
  }

  at::parallel_for(0, ceil_div(n, kBlockRows), 1, [&](int64_t begin, int64_t end) {
    std::vector<double> similarities(kBlockRows * panels.columns);
    std::vector<acc_t> weights(kBlockRows * n);
    std::vector<acc_t> gradients(kBlockRows * row_panels.columns);
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kBlockRows;
      const int64_t last = std::min(first + kBlockRows, n);
      block_times_panels(u.row(first), u.dim, panels, similarities.data());
      for (int64_t i = first; i < last; ++i) {
        const double* similarity = similarities.data() + (i - first) * panels.columns;
        acc_t* row = weights.data() + (i - first) * n;
        if (n > 2) {
          for (int64_t j = 0; j < n; ++j) {
            const double above_i = (similarity[j] - s.maximum[i]) * k;
            const double above_j = (similarity[j] - s.maximum[j]) * k;
            row[j] = coefficient[i] * std::exp(static_cast<acc_t>(above_i)) +
                     coefficient[j] * std::exp(static_cast<acc_t>(above_j));
          }
        }
        row[i] = 0;
        row[u.pair(i)] = static_cast<acc_t>(-(upstream[i] + upstream[u.pair(i)]));
      }
      block_times_panels(weights.data(), n, row_panels, gradients.data());
      for (int64_t i = first; i < last; ++i) {
        acc_t* du = gradients.data() + (i - first) * row_panels.columns;
        for (int64_t d = 0; d < u.dim; ++d) du[d] *= acc_k;
        acc_t* dz = outputs[i / (n / 2)] + i % (n / 2) * u.dim;
        project(du, u.row(i), u.norms[i], u.dim, normalize, dz);
      }
    }
  });
}

std::tuple<at::Tensor, at::Tensor> nt_xent_forward(const at::Tensor& z0, const at::Tensor& z1,
                                                   double temperature, bool normalize) {
  constexpr const char* kOp = "nt_xent_forward";
  simclr_bench::check_pair(kOp, "z0", z0, "z1", z1);
  simclr_bench::check_floating(kOp, z0, /*float64_allowed=*/true);
  simclr_bench::check_temperature(kOp, temperature);
  const at::ScalarType dtype = z0.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const int64_t n = 2 * z0.size(0);
  at::Tensor loss = at::empty({n}, z0.options().dtype(dtype));
  at::Tensor statistics = at::empty({3, n}, z0.options().dtype(at::kDouble));
  const at::Tensor first = z0.to(dtype).contiguous();
  const at::Tensor second = z1.to(dtype).contiguous();
  if (dtype == at::kDouble) {
    forward<double>(first, second, temperature, normalize, loss, statistics);
  } else {
    forward<float>(first, second, temperature, normalize, loss, statistics);
  }
  return {loss, statistics};
}

std::tuple<at::Tensor, at::Tensor> nt_xent_backward(const at::Tensor& grad, const at::Tensor& z0,
                                                    const at::Tensor& z1,
                                                    const at::Tensor& statistics,
                                                    double temperature, bool normalize) {
  constexpr const char* kOp = "nt_xent_backward";
  simclr_bench::check_pair(kOp, "z0", z0, "z1", z1);
  simclr_bench::check_floating(kOp, z0, /*float64_allowed=*/true);
  simclr_bench::check_temperature(kOp, temperature);
  simclr_bench::check_saved(kOp, z0, grad, statistics, 3, 2 * z0.size(0));
  const at::ScalarType dtype = z0.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  at::Tensor grad_z0 = at::empty(z0.sizes(), z0.options().dtype(dtype));
  at::Tensor grad_z1 = at::empty(z1.sizes(), z1.options().dtype(dtype));
  const at::Tensor upstream = grad.to(dtype).contiguous();
  const at::Tensor first = z0.to(dtype).contiguous();
  const at::Tensor second = z1.to(dtype).contiguous();
  const at::Tensor saved = statistics.contiguous();
  if (dtype == at::kDouble) {
    backward<double>(upstream, first, second, saved, temperature, normalize, grad_z0, grad_z1);
  } else {
    backward<float>(upstream, first, second, saved, temperature, normalize, grad_z0, grad_z1);
  }
  return {grad_z0.to(z0.scalar_type()), grad_z1.to(z1.scalar_type())};
}

}  // namespace

TORCH_LIBRARY_IMPL(simclr_bench, CPU, m) {
  m.impl("nt_xent_forward", &nt_xent_forward);
  m.impl("nt_xent_backward", &nt_xent_backward);
}

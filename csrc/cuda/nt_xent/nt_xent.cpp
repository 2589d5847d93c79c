// Registers the CUDA kernels of the contrastive losses: checks, device guard, stream, workspace,
// launch. Nothing here waits for the device, and all of it can be captured in a CUDA graph.

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include <optional>
#include <tuple>

#include "../../check.h"
#include "../launch.h"
#include "../launchers.h"

namespace {

using at::Tensor;
using simclr_bench::check_launch;

SimclrBenchObjective parse_objective(const char* op, c10::string_view name) {
  if (name == "nt_xent") return kSimclrBenchNTXent;
  if (name == "decoupled") return kSimclrBenchDecoupled;
  if (name == "info_nce") return kSimclrBenchInfoNCE;
  TORCH_CHECK(name == "supervised", op,
              ": objective must be nt_xent, decoupled, info_nce or supervised, got ", name);
  return kSimclrBenchSupervised;
}

SimclrBenchPrecision parse_precision(const char* op, c10::string_view name) {
  if (name == "highest") return kSimclrBenchHighest;
  if (name == "high") return kSimclrBenchHigh;
  TORCH_CHECK(name == "medium", op, ": precision must be highest, high or medium, got ", name);
  return kSimclrBenchMedium;
}

// So few rows are quicker in one kernel than in several.
constexpr int64_t kSmallRows = 2048;

// Several for each multiprocessor, since not all of them have as much to do. One number for all
// devices: the order of a sum does not depend on them.
constexpr int64_t kWantedBlocks = 512;

// Of the current device.
int attribute(cudaDeviceAttr which) {
  int value = 0;
  check_launch("nt_xent", cudaDeviceGetAttribute(&value, which, c10::cuda::current_device()));
  return value;
}

// Whether there are kernels for sm_90a (setup.py), and the current device runs them.
bool hopper() {
#ifdef SIMCLR_BENCH_SM90A
  return attribute(cudaDevAttrComputeCapabilityMajor) == 9 &&
         attribute(cudaDevAttrComputeCapabilityMinor) == 0;
#else
  return false;
#endif
}

// A problem, and the tensors that it points to.
struct Arguments {
  SimclrBenchContrast problem;
  Tensor z0, z1;   // contiguous
  Tensor labels;   // contiguous, or undefined
  Tensor others;   // contiguous, or undefined
  Tensor learned;  // [] float64 on the device, or undefined
  Tensor forward_workspace() const { return workspace(/*backward=*/false); }
  Tensor backward_workspace() const { return workspace(/*backward=*/true); }
  const void* other_rows() const { return others.defined() ? others.const_data_ptr() : nullptr; }
  int64_t rows() const { return z0.size(0) + z1.size(0); }
  int64_t statistics() const { return problem.labels ? 6 : 3; }

 private:
  Tensor workspace(bool backward) const {
    int64_t bytes[2];
    check_launch("nt_xent", simclr_bench_nt_xent_workspace(&problem, &bytes[0], &bytes[1]));
    return at::empty({bytes[backward]}, z0.options().dtype(at::kByte));
  }
};

Arguments check(const char* op, const Tensor& z0, const Tensor& z1,
                const std::optional<Tensor>& labels, const std::optional<Tensor>& others,
                double temperature, const std::optional<Tensor>& learned,
                c10::string_view objective, bool normalize, c10::string_view precision,
                int64_t workspace_bytes) {
  Arguments a{};
  SimclrBenchContrast& problem = a.problem;
  problem.objective = parse_objective(op, objective);
  const bool supervised = problem.objective == kSimclrBenchSupervised;
  simclr_bench::check_pair(op, "z0", z0, "z1", supervised ? z0 : z1);
  simclr_bench::check_floating(op, z0, /*float64_allowed=*/false);
  if (supervised) {
    TORCH_CHECK(z1.dim() == 2 && z1.size(0) == 0, op, ": z1 must be empty with labels, got ",
                z1.sizes());
    TORCH_CHECK(labels && labels->dim() == 1 && labels->size(0) == z0.size(0) &&
                    labels->scalar_type() == at::kLong && labels->device() == z0.device(),
                op, ": labels must be int64 [", z0.size(0), "] on ", z0.device());
    a.labels = labels->contiguous();
    problem.labels = a.labels.const_data_ptr<int64_t>();
  } else {
    TORCH_CHECK(!labels, op, ": labels are for the supervised objective only");
  }
  if (learned) {
    TORCH_CHECK(learned->dim() == 0 && at::isFloatingType(learned->scalar_type()) &&
                    (learned->is_cpu() || learned->device() == z0.device()),
                op, ": learned_temperature must be a floating-point number on ", z0.device(),
                " or the CPU, got ", learned->sizes(), " ", learned->scalar_type(), " on ",
                learned->device());
    if (learned->is_cpu()) {
      temperature = learned->item<double>();
    } else {
      a.learned = learned->to(at::kDouble);
      problem.learned_temperature = a.learned.const_data_ptr<double>();
    }
  }
  if (!problem.learned_temperature) simclr_bench::check_temperature(op, temperature);
  if (others) {
    TORCH_CHECK(problem.objective != kSimclrBenchInfoNCE && !supervised, op,
                ": others are for the nt_xent and decoupled objectives only");
    TORCH_CHECK(others->dim() == 3 && others->size(0) == 2 && others->size(2) == z0.size(1) &&
                    others->device() == z0.device() && others->scalar_type() == z0.scalar_type(),
                op, ": others must be [2, pairs, ", z0.size(1), "], got ", others->sizes());
    a.others = others->contiguous();
    problem.other_pairs = others->size(1);
  }
  // Blocks of 64 rows are counted by an int, and D is a number of elements in one row.
  simclr_bench::check_rows(op, 2 * (z0.size(0) + problem.other_pairs));
  TORCH_CHECK(z0.size(1) <= 1 << 20, op, ": at most 1048576 columns on CUDA, got ", z0.size(1));
  a.z0 = z0.contiguous();
  a.z1 = z1.contiguous();
  problem.pairs = z0.size(0);
  problem.dim = z0.size(1);
  problem.workspace_bytes = workspace_bytes;
  problem.small_rows = kSmallRows;
  problem.shared_bytes = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin);
  problem.wanted_blocks = kWantedBlocks;
  problem.temperature = temperature;
  problem.element = simclr_bench::element_of(z0);
  problem.precision = parse_precision(op, precision);
  problem.normalize = normalize;
  problem.hopper = hopper();
  return a;
}

std::tuple<Tensor, Tensor> nt_xent_forward(const Tensor& z0, const Tensor& z1,
                                           const std::optional<Tensor>& labels,
                                           const std::optional<Tensor>& others, double temperature,
                                           const std::optional<Tensor>& learned_temperature,
                                           c10::string_view objective, bool normalize,
                                           c10::string_view precision, int64_t workspace_bytes) {
  constexpr const char* kOp = "nt_xent_forward";
  const c10::cuda::CUDAGuard guard(z0.device());  // else the kernels run on device 0
  const Arguments a = check(kOp, z0, z1, labels, others, temperature, learned_temperature,
                            objective, normalize, precision, workspace_bytes);
  Tensor loss = at::empty({a.rows()}, z0.options().dtype(at::kFloat));
  Tensor statistics = at::empty({a.statistics(), a.rows()}, z0.options().dtype(at::kDouble));
  const Tensor workspace = a.forward_workspace();
  check_launch(kOp, simclr_bench_nt_xent_forward(
                        &a.problem, a.z0.const_data_ptr(), a.z1.const_data_ptr(), a.other_rows(),
                        workspace.mutable_data_ptr(), loss.mutable_data_ptr<float>(),
                        statistics.mutable_data_ptr<double>(), c10::cuda::getCurrentCUDAStream()));
  return {loss, statistics};
}

std::tuple<Tensor, Tensor, Tensor> nt_xent_backward(
    const Tensor& grad, const Tensor& z0, const Tensor& z1, const std::optional<Tensor>& labels,
    const std::optional<Tensor>& others, const Tensor& statistics, double temperature,
    const std::optional<Tensor>& learned_temperature, c10::string_view objective, bool normalize,
    c10::string_view precision, int64_t workspace_bytes) {
  constexpr const char* kOp = "nt_xent_backward";
  const c10::cuda::CUDAGuard guard(z0.device());
  const Arguments a = check(kOp, z0, z1, labels, others, temperature, learned_temperature,
                            objective, normalize, precision, workspace_bytes);
  simclr_bench::check_saved(kOp, z0, grad, statistics, a.statistics(),
                            a.rows() + 2 * a.problem.other_pairs);
  Tensor grad_z0 = at::empty(z0.sizes(), z0.options());
  Tensor grad_z1 = at::empty(z1.sizes(), z1.options());
  Tensor grad_temperature = at::empty({}, z0.options().dtype(at::kDouble));
  const Tensor upstream = grad.to(at::kFloat).contiguous();
  const Tensor saved = statistics.contiguous();
  const Tensor workspace = a.backward_workspace();
  check_launch(
      kOp, simclr_bench_nt_xent_backward(
               &a.problem, upstream.const_data_ptr<float>(), a.z0.const_data_ptr(),
               a.z1.const_data_ptr(), a.other_rows(), saved.const_data_ptr<double>(),
               workspace.mutable_data_ptr(), grad_z0.mutable_data_ptr(), grad_z1.mutable_data_ptr(),
               grad_temperature.mutable_data_ptr<double>(), c10::cuda::getCurrentCUDAStream()));
  return {grad_z0, grad_z1, grad_temperature};
}

}  // namespace

TORCH_LIBRARY_IMPL(simclr_bench, CUDA, m) {
  m.impl("nt_xent_forward", &nt_xent_forward);
  m.impl("nt_xent_backward", &nt_xent_backward);
}

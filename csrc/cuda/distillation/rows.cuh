// What the kernels for distillation of rows share: vectors of 16 bytes with ragged ends, sums over
// the threads that share a row, sums over all rows.

#pragma once

#include "terms.cuh"

namespace simclr_bench {
namespace {

constexpr int kWarp = 32;
constexpr int kRowThreads = 256;      // of a block that takes several rows at a time
constexpr int kLongRowThreads = 512;  // of one that takes a single row
constexpr int kMostWarps = kLongRowThreads / kWarp;

// A block for so many of the rows, up to a limit, beyond which it takes more of them in turn.
__host__ __device__ inline unsigned blocks_for(int64_t rows, int64_t rows_per_block) {
  const int64_t blocks = (rows + rows_per_block - 1) / rows_per_block;
  return static_cast<unsigned>(blocks < kDistillationBlocks ? blocks : kDistillationBlocks);
}

template <typename element_t>
constexpr int kVector = 16 / sizeof(element_t);

template <typename element_t>
struct alignas(16) Vector {
  element_t values[kVector<element_t>];
};

// How many elements after a multiple of 16 bytes.
template <typename element_t>
__device__ int misalignment(const element_t* x) {
  return static_cast<int>(reinterpret_cast<uintptr_t>(x) / sizeof(element_t) % kVector<element_t>);
}

// Elements [c, c + kVector) of a run of `count`; those outside of it are -inf. `aligned`: the
// vector is, if the whole of it is inside.
template <typename element_t>
__device__ Vector<element_t> read(const element_t* run, int c, int count, bool aligned) {
  constexpr int V = kVector<element_t>;
  Vector<element_t> vector;
  if (aligned && c >= 0 && c + V <= count) {
    const uint4 bits = __ldg(reinterpret_cast<const uint4*>(run + c));
    memcpy(&vector, &bits, sizeof bits);
    return vector;
  }
#pragma unroll
  for (int j = 0; j < V; ++j) {
    const bool inside = c + j >= 0 && c + j < count;
    vector.values[j] = inside ? run[c + j] : from_float<element_t>(-INFINITY);
  }
  return vector;
}

template <typename element_t>
__device__ void write(element_t* run, int c, int count, bool aligned,
                      const float (&values)[kVector<element_t>]) {
  constexpr int V = kVector<element_t>;
  Vector<element_t> vector;
#pragma unroll
  for (int j = 0; j < V; ++j) vector.values[j] = from_float<element_t>(values[j]);
  if (aligned && c >= 0 && c + V <= count) {
    uint4 bits;
    memcpy(&bits, &vector, sizeof bits);
    *reinterpret_cast<uint4*>(run + c) = bits;
    return;
  }
#pragma unroll
  for (int j = 0; j < V; ++j) {
    if (c + j >= 0 && c + j < count) run[c + j] = vector.values[j];
  }
}

// A target that is no class is known by its logit, NaN.
__device__ inline Target target_of(const Problem& p, int64_t b) {
  if (p.target == nullptr || p.target[b] == p.ignore_index) return {};
  const int64_t c = p.target[b];
  const bool is_class = 0 <= c && c < p.classes;
  return {true, is_class, is_class ? static_cast<int>(c) : 0, NAN};
}

// A row of both logits and of the gradients. Vectors begin at class `begin` <= 0, so that those of
// the student are aligned; the other arrays' are if they begin alike.
template <typename element_t>
struct Row {
  const element_t* student = nullptr;
  const element_t* teacher = nullptr;
  element_t* grad_student = nullptr;
  element_t* grad_teacher = nullptr;
  int begin = 0;
  int classes = 0;  // 0: there is no such row
  bool teacher_aligned = false;
  bool gradients_aligned = false;
  Target target;
  float upstream = 1;

  __device__ Row(const Problem& p, int64_t b) {
    if (b >= p.rows) return;
    classes = static_cast<int>(p.classes);
    student = static_cast<const element_t*>(p.student) + b * p.student_stride;
    teacher = static_cast<const element_t*>(p.teacher) + b * p.teacher_stride;
    const int head = misalignment(student);
    begin = -head;
    teacher_aligned = misalignment(teacher) == head;
    // Both gradients are whole arrays that begin at a multiple of 16 bytes.
    gradients_aligned = b * p.classes % kVector<element_t> == head;
    if (p.grad_student) grad_student = static_cast<element_t*>(p.grad_student) + b * p.classes;
    if (p.grad_teacher) grad_teacher = static_cast<element_t*>(p.grad_teacher) + b * p.classes;
    if (p.upstream) upstream = p.upstream[b * p.upstream_stride];
    target = target_of(p, b);
    if (target.is_class) target.logit = to_float(student[target.c]);
  }

  __device__ Vector<element_t> read_student(int c) const { return read(student, c, classes, true); }
  __device__ Vector<element_t> read_teacher(int c) const {
    return read(teacher, c, classes, teacher_aligned);
  }

  // The gradients of a vector of classes, of which dx and dt are given.
  template <Kind kind>
  __device__ void write_gradients(int c, const float (&dx)[kVector<element_t>],
                                  const float (&dt)[kVector<element_t>], const Factors& f,
                                  const Constants& constants) const {
    constexpr int V = kVector<element_t>;
    float of_student[V];
    float of_teacher[V];
#pragma unroll
    for (int j = 0; j < V; ++j) {
      const Terms terms = terms_of<kind>(dx[j], dt[j], f, constants);
      of_student[j] = student_gradient<kind>(terms, f);
      if (target.exists) of_student[j] += hard_gradient(terms, c + j, target.c, f, constants);
      of_teacher[j] = teacher_gradient<kind>(terms, f);
    }
    if (grad_student) write(grad_student, c, classes, gradients_aligned, of_student);
    if (grad_teacher) write(grad_teacher, c, classes, gradients_aligned, of_teacher);
  }
};

// Sums or maxima over `lanes` neighbouring threads, a power of two of them, along a fixed tree; all
// of them get the result. Whole warps exchange theirs through `slots`, which must not be used again
// before another barrier; all threads of the block have to come here then.
template <typename value_t>
__device__ void reduce(value_t& value, int lanes, value_t (&slots)[kMostWarps]) {
  for (int offset = min(lanes, kWarp) / 2; offset > 0; offset /= 2) {
    value.add(value.from_lane(offset));
  }
  if (lanes <= kWarp) return;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  if (threadIdx.x % kWarp == 0) slots[warp] = value;
  __syncthreads();
  const int warps = lanes / kWarp;
  const value_t* mine = slots + warp / warps * warps;
  value = mine[0];
  for (int i = 1; i < warps; ++i) value.add(mine[i]);
}

// A sum over the block, for all threads.
__device__ inline double block_total(double value) {
  __shared__ double slots[kMostWarps];
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, offset);
  }
  __syncthreads();  // the call before may still be reading
  if (threadIdx.x % kWarp == 0) slots[threadIdx.x / kWarp] = value;
  __syncthreads();
  double total = 0;
  for (unsigned warp = 0; warp < blockDim.x / kWarp; ++warp) total += slots[warp];
  return total;
}

// How many rows divide the hard term.
__device__ inline double rows_with_target(const Problem& p) {
  if (!p.mean_of_targets) return 1;
  double rows = 0;
  if (p.rows <= kDistillationFewTargets) {
    for (int64_t b = threadIdx.x; b < p.rows; b += blockDim.x) {
      rows += p.target[b] != p.ignore_index;
    }
  } else {
    const unsigned parts = blocks_for(p.rows, kRowThreads);
    for (unsigned i = threadIdx.x; i < parts; i += blockDim.x) rows += p.counts[i];
  }
  return block_total(rows);
}

// The losses of rows, each handed over by one thread.
class Losses {
 public:
  __device__ explicit Losses(const Problem& p) : p_(p) {}

  __device__ void add(int64_t b, float loss) {
    if (p_.partials) {
      sum_ += loss;
    } else if (p_.loss) {
      p_.loss[b] = loss;
    }
  }

  // The block that comes last adds up those of all blocks, in their order.
  __device__ void finish() {
    if (!p_.partials) return;
    __shared__ bool last;
    const double of_block = block_total(sum_);
    if (threadIdx.x == 0) {
      p_.partials[blockIdx.x] = of_block;
      last = take_ticket(p_.ticket) == gridDim.x - 1;
    }
    __syncthreads();
    if (!last) return;
    double sum = 0;
    for (unsigned i = threadIdx.x; i < gridDim.x; i += blockDim.x) sum += p_.partials[i];
    sum = block_total(sum);
    if (threadIdx.x == 0) *p_.loss = static_cast<float>(sum);
  }

 private:
  // Releases what this thread has written, and acquires what those before have.
  __device__ static unsigned take_ticket(unsigned* counter) {
    unsigned ticket;
    asm volatile("atom.acq_rel.gpu.global.add.u32 %0, [%1], 1;"
                 : "=r"(ticket)
                 : "l"(counter)
                 : "memory");
    return ticket;
  }

  const Problem& p_;
  double sum_ = 0;
};

}  // namespace
}  // namespace simclr_bench

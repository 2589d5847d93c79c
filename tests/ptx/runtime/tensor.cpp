#include "tensor.h"

namespace ptx {
namespace {

struct Fragments {
  Thread* self;
  const Site* site;
  const uint32_t *a, *b;
  float* d;
};

}  // namespace

template <typename element_t, int depth>
void multiply_matrices(Thread& self, const Site& site, const uint32_t* a, const uint32_t* b,
                       float* d) {
  Fragments mine{&self, &site, a, b, d};
  warp_rendezvous(self, site, 0xffffffff, &mine, [](void* const* lanes) {
    constexpr int kPerRegister = sizeof(element_t) == 2 ? 2 : 1;
    constexpr int kHalf = 4 * kPerRegister;  // columns that four lanes hold in one register each
    const auto at = [lanes](int lane) { return static_cast<Fragments*>(lanes[lane]); };
    check_all_lanes<Fragments>(lanes);
    double left[16][depth];
    double right[depth][8];
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4;
      for (int h = 0; h < kPerRegister; ++h) {
        const int k = lane % 4 * kPerRegister + h;
        for (int r = 0; r < 2 * depth / kHalf; ++r) {
          left[g + 8 * (r % 2)][k + kHalf * (r / 2)] = element(element_t{}, at(lane)->a[r], h);
        }
        for (int r = 0; r < depth / kHalf; ++r) {
          right[k + kHalf * r][g] = element(element_t{}, at(lane)->b[r], h);
        }
      }
    }
    for (int lane = 0; lane < 32; ++lane) {
      for (int r = 0; r < 4; ++r) {
        double sum = at(lane)->d[r];
        const int row = lane / 4 + 8 * (r / 2);
        for (int k = 0; k < depth; ++k) sum += left[row][k] * right[k][lane % 4 * 2 + r % 2];
        at(lane)->d[r] = static_cast<float>(sum);
      }
    }
  });
}

template void multiply_matrices<Bfloat16, 8>(Thread&, const Site&, const uint32_t*, const uint32_t*,
                                             float*);
template void multiply_matrices<Bfloat16, 16>(Thread&, const Site&, const uint32_t*,
                                              const uint32_t*, float*);
template void multiply_matrices<Half, 8>(Thread&, const Site&, const uint32_t*, const uint32_t*,
                                         float*);
template void multiply_matrices<Half, 16>(Thread&, const Site&, const uint32_t*, const uint32_t*,
                                          float*);
template void multiply_matrices<Tf32, 8>(Thread&, const Site&, const uint32_t*, const uint32_t*,
                                         float*);

}  // namespace ptx

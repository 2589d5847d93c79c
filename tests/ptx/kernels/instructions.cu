// One kernel and launcher per instruction: out[i] = instruction(a[i], b[i], c[i]).
//
// The text of an instruction names its result %0 and its operands %1, %2, %3.

#include <cuda_runtime.h>

#include <cstdint>

using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using f32 = float;
using f64 = double;

#define REGISTER_u16 "h"
#define REGISTER_u32 "r"
#define REGISTER_u64 "l"
#define REGISTER_f32 "f"
#define REGISTER_f64 "d"

#define FUNCTION(name, out_t, in_t, third_t, text)                                          \
  __global__ void name##_kernel(const in_t* a, const in_t* b, const third_t* c, out_t* out, \
                                int64_t n) {                                                \
    const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;                       \
    if (i >= n) return;                                                                     \
    out_t result;                                                                           \
    asm volatile(text                                                                       \
                 : "=" REGISTER_##out_t(result)                                             \
                 : REGISTER_##in_t(a[i]), REGISTER_##in_t(b[i]), REGISTER_##third_t(c[i])); \
    out[i] = result;                                                                        \
  }                                                                                         \
  extern "C" cudaError_t name(const in_t* a, const in_t* b, const third_t* c, out_t* out,   \
                              int64_t n) {                                                  \
    name##_kernel<<<static_cast<unsigned>((n + 127) / 128), 128>>>(a, b, c, out, n);        \
    return cudaGetLastError();                                                              \
  }

// The result is the predicate p; q is there for those that have two.
#define PREDICATE(name, in_t, third_t, text) \
  FUNCTION(name, u32, in_t, third_t, "{ .reg .pred p, q, r; " text " selp.u32 %0, 1, 0, p; }")

// clang-format off
// --- integers
FUNCTION(add_s32, u32, u32, u32, "add.s32 %0, %1, %2;")
FUNCTION(add_u64, u64, u64, u64, "add.u64 %0, %1, %2;")
FUNCTION(add_s16, u16, u16, u16, "add.s16 %0, %1, %2;")
FUNCTION(sub_s32, u32, u32, u32, "sub.s32 %0, %1, %2;")
FUNCTION(sub_s64, u64, u64, u64, "sub.s64 %0, %1, %2;")
FUNCTION(mul_lo_s32, u32, u32, u32, "mul.lo.s32 %0, %1, %2;")
FUNCTION(mul_lo_u16, u16, u16, u16, "mul.lo.u16 %0, %1, %2;")
FUNCTION(mul_lo_s64, u64, u64, u64, "mul.lo.s64 %0, %1, %2;")
FUNCTION(mul_hi_s32, u32, u32, u32, "mul.hi.s32 %0, %1, %2;")
FUNCTION(mul_hi_u32, u32, u32, u32, "mul.hi.u32 %0, %1, %2;")
FUNCTION(mul_hi_u64, u64, u64, u64, "mul.hi.u64 %0, %1, %2;")
FUNCTION(mul_wide_s32, u64, u32, u32, "mul.wide.s32 %0, %1, %2;")
FUNCTION(mul_wide_u32, u64, u32, u32, "mul.wide.u32 %0, %1, %2;")
FUNCTION(mul_wide_s16, u32, u16, u16, "mul.wide.s16 %0, %1, %2;")
FUNCTION(mad_lo_s32, u32, u32, u32, "mad.lo.s32 %0, %1, %2, %3;")
FUNCTION(mad_lo_u16, u16, u16, u16, "mad.lo.u16 %0, %1, %2, %3;")
FUNCTION(mad_wide_u32, u64, u32, u64, "mad.wide.u32 %0, %1, %2, %3;")
FUNCTION(div_s32, u32, u32, u32, "div.s32 %0, %1, %2;")
FUNCTION(div_u64, u64, u64, u64, "div.u64 %0, %1, %2;")
FUNCTION(rem_s32, u32, u32, u32, "rem.s32 %0, %1, %2;")
FUNCTION(rem_u32, u32, u32, u32, "rem.u32 %0, %1, %2;")
FUNCTION(min_s32, u32, u32, u32, "min.s32 %0, %1, %2;")
FUNCTION(max_u32, u32, u32, u32, "max.u32 %0, %1, %2;")
FUNCTION(max_s64, u64, u64, u64, "max.s64 %0, %1, %2;")
FUNCTION(abs_s32, u32, u32, u32, "abs.s32 %0, %1;")
FUNCTION(neg_s32, u32, u32, u32, "neg.s32 %0, %1;")
FUNCTION(neg_s64, u64, u64, u64, "neg.s64 %0, %1;")
FUNCTION(and_b32, u32, u32, u32, "and.b32 %0, %1, %2;")
FUNCTION(or_b64, u64, u64, u64, "or.b64 %0, %1, %2;")
FUNCTION(xor_b16, u16, u16, u16, "xor.b16 %0, %1, %2;")
FUNCTION(not_b32, u32, u32, u32, "not.b32 %0, %1;")
FUNCTION(shl_b32, u32, u32, u32, "shl.b32 %0, %1, %3;")
FUNCTION(shl_b64, u64, u64, u32, "shl.b64 %0, %1, %3;")
FUNCTION(shl_b32_by_31, u32, u32, u32, "shl.b32 %0, %1, 31;")
FUNCTION(shl_b32_by_32, u32, u32, u32, "shl.b32 %0, %1, 32;")
FUNCTION(shl_b16_by_15, u16, u16, u16, "shl.b16 %0, %1, 15;")
FUNCTION(shr_s16_by_3, u16, u16, u16, "shr.s16 %0, %1, 3;")
FUNCTION(shr_s32_by_31, u32, u32, u32, "shr.s32 %0, %1, 31;")
FUNCTION(shr_s32_by_40, u32, u32, u32, "shr.s32 %0, %1, 40;")
FUNCTION(shr_u32, u32, u32, u32, "shr.u32 %0, %1, %3;")
FUNCTION(shr_s32, u32, u32, u32, "shr.s32 %0, %1, %3;")
FUNCTION(shr_s64, u64, u64, u32, "shr.s64 %0, %1, %3;")
FUNCTION(shf_l_wrap, u32, u32, u32, "shf.l.wrap.b32 %0, %1, %2, %3;")
FUNCTION(shf_r_clamp, u32, u32, u32, "shf.r.clamp.b32 %0, %1, %2, %3;")
FUNCTION(popc_b64, u32, u64, u64, "popc.b64 %0, %1;")
FUNCTION(clz_b32, u32, u32, u32, "clz.b32 %0, %1;")
FUNCTION(clz_b64, u32, u64, u64, "clz.b64 %0, %1;")
FUNCTION(brev_b32, u32, u32, u32, "brev.b32 %0, %1;")
FUNCTION(bfe_u32, u32, u32, u32, "bfe.u32 %0, %1, 5, %3;")
FUNCTION(bfe_s32, u32, u32, u32, "bfe.s32 %0, %1, %3, 11;")
FUNCTION(bfi_b32, u32, u32, u32, "bfi.b32 %0, %1, %2, %3, 9;")
FUNCTION(prmt_b32, u32, u32, u32, "prmt.b32 %0, %1, %2, %3;")
FUNCTION(lop3_b32, u32, u32, u32, "lop3.b32 %0, %1, %2, %3, 0xca;")
FUNCTION(pack_b64, u64, u32, u32, "mov.b64 %0, {%1, %2};")
FUNCTION(pack_b32, u32, u16, u16, "mov.b32 %0, {%1, %2};")
FUNCTION(unpack_b64, u32, u64, u64, "{ .reg .b32 low; mov.b64 {low, %0}, %1; }")

// --- floating point, exactly rounded
FUNCTION(add_f32, f32, f32, f32, "add.f32 %0, %1, %2;")
FUNCTION(add_ftz_f32, f32, f32, f32, "add.ftz.f32 %0, %1, %2;")
FUNCTION(add_sat_f32, f32, f32, f32, "add.sat.f32 %0, %1, %2;")
FUNCTION(add_rm_f32, f32, f32, f32, "add.rm.f32 %0, %1, %2;")
FUNCTION(sub_f64, f64, f64, f64, "sub.f64 %0, %1, %2;")
FUNCTION(mul_f32, f32, f32, f32, "mul.f32 %0, %1, %2;")
FUNCTION(mul_ftz_f32, f32, f32, f32, "mul.ftz.f32 %0, %1, %2;")
FUNCTION(mul_rp_f32, f32, f32, f32, "mul.rp.f32 %0, %1, %2;")
FUNCTION(fma_rn_f32, f32, f32, f32, "fma.rn.f32 %0, %1, %2, %3;")
FUNCTION(fma_rm_f32, f32, f32, f32, "fma.rm.f32 %0, %1, %2, %3;")
FUNCTION(fma_rp_f32, f32, f32, f32, "fma.rp.f32 %0, %1, %2, %3;")
FUNCTION(fma_rz_f32, f32, f32, f32, "fma.rz.f32 %0, %1, %2, %3;")
FUNCTION(div_rn_f32, f32, f32, f32, "div.rn.f32 %0, %1, %2;")
FUNCTION(div_rn_f64, f64, f64, f64, "div.rn.f64 %0, %1, %2;")
FUNCTION(rcp_rn_f32, f32, f32, f32, "rcp.rn.f32 %0, %1;")
FUNCTION(sqrt_rn_f32, f32, f32, f32, "sqrt.rn.f32 %0, %1;")
FUNCTION(min_f32, f32, f32, f32, "min.f32 %0, %1, %2;")
FUNCTION(max_f32, f32, f32, f32, "max.f32 %0, %1, %2;")
FUNCTION(max_f64, f64, f64, f64, "max.f64 %0, %1, %2;")
FUNCTION(abs_f32, f32, f32, f32, "abs.f32 %0, %1;")
FUNCTION(neg_f64, f64, f64, f64, "neg.f64 %0, %1;")
FUNCTION(copysign_f32, f32, f32, f32, "copysign.f32 %0, %1, %2;")

// --- floating point, approximate on a device
FUNCTION(ex2_f32, f32, f32, f32, "ex2.approx.f32 %0, %1;")
FUNCTION(ex2_ftz_f32, f32, f32, f32, "ex2.approx.ftz.f32 %0, %1;")
FUNCTION(lg2_f32, f32, f32, f32, "lg2.approx.f32 %0, %1;")
FUNCTION(rcp_f32, f32, f32, f32, "rcp.approx.f32 %0, %1;")
FUNCTION(rcp_ftz_f64, f64, f64, f64, "rcp.approx.ftz.f64 %0, %1;")
FUNCTION(rsqrt_f32, f32, f32, f32, "rsqrt.approx.f32 %0, %1;")
FUNCTION(tanh_f32, f32, f32, f32, "tanh.approx.f32 %0, %1;")

// --- comparison
PREDICATE(setp_eq_f32, f32, u32, "setp.eq.f32 p, %1, %2;")
PREDICATE(setp_ne_f32, f32, u32, "setp.ne.f32 p, %1, %2;")
PREDICATE(setp_le_f32, f32, u32, "setp.le.f32 p, %1, %2;")
PREDICATE(setp_gt_f64, f64, u32, "setp.gt.f64 p, %1, %2;")
PREDICATE(setp_equ_f32, f32, u32, "setp.equ.f32 p, %1, %2;")
PREDICATE(setp_neu_f32, f32, u32, "setp.neu.f32 p, %1, %2;")
PREDICATE(setp_ltu_f32, f32, u32, "setp.ltu.f32 p, %1, %2;")
PREDICATE(setp_geu_f32, f32, u32, "setp.geu.f32 p, %1, %2;")
PREDICATE(setp_nan_f32, f32, u32, "setp.nan.f32 p, %1, %2;")
PREDICATE(setp_num_f32, f32, u32, "setp.num.f32 p, %1, %2;")
PREDICATE(setp_lt_s32, u32, u32, "setp.lt.s32 p, %1, %2;")
PREDICATE(setp_lt_u32, u32, u32, "setp.lt.u32 p, %1, %2;")
PREDICATE(setp_hs_u64, u64, u32, "setp.hs.u64 p, %1, %2;")
PREDICATE(setp_lt_and, f32, u32, "setp.ne.u32 r, %3, 0; setp.lt.and.f32 p|q, %1, %2, r;")
PREDICATE(setp_lt_and_q, f32, u32, "setp.ne.u32 r, %3, 0; setp.lt.and.f32 q|p, %1, %2, r;")
PREDICATE(setp_gt_or, u32, u32, "setp.ne.u32 r, %3, 0; setp.gt.or.s32 p, %1, %2, !r;")
FUNCTION(selp_f32, f32, f32, u32, "{ .reg .pred p; setp.ne.u32 p, %3, 0; selp.f32 %0, %1, %2, p; }")

// --- conversion
FUNCTION(cvt_s32_f32, u32, f32, f32, "cvt.rzi.s32.f32 %0, %1;")
FUNCTION(cvt_rni_s32_f32, u32, f32, f32, "cvt.rni.s32.f32 %0, %1;")
FUNCTION(cvt_u32_f32, u32, f32, f32, "cvt.rzi.u32.f32 %0, %1;")
FUNCTION(cvt_s64_f32, u64, f32, f32, "cvt.rzi.s64.f32 %0, %1;")
FUNCTION(cvt_s32_f64, u32, f64, f64, "cvt.rmi.s32.f64 %0, %1;")
FUNCTION(cvt_f32_s32, f32, u32, u32, "cvt.rn.f32.s32 %0, %1;")
FUNCTION(cvt_rm_f32_u32, f32, u32, u32, "cvt.rm.f32.u32 %0, %1;")
FUNCTION(cvt_f32_s64, f32, u64, u64, "cvt.rn.f32.s64 %0, %1;")
FUNCTION(cvt_f64_u64, f64, u64, u64, "cvt.rn.f64.u64 %0, %1;")
FUNCTION(cvt_f32_f64, f32, f64, f64, "cvt.rn.f32.f64 %0, %1;")
FUNCTION(cvt_rz_f32_f64, f32, f64, f64, "cvt.rz.f32.f64 %0, %1;")
FUNCTION(cvt_f64_f32, f64, f32, f32, "cvt.f64.f32 %0, %1;")
FUNCTION(cvt_rni_f32, f32, f32, f32, "cvt.rni.f32.f32 %0, %1;")
FUNCTION(cvt_rpi_f32, f32, f32, f32, "cvt.rpi.f32.f32 %0, %1;")
FUNCTION(cvt_sat_f32, f32, f32, f32, "cvt.sat.f32.f32 %0, %1;")
FUNCTION(cvt_f16_f32, u16, f32, f32, "cvt.rn.f16.f32 %0, %1;")
FUNCTION(cvt_f32_f16, f32, u16, u16, "cvt.f32.f16 %0, %1;")
FUNCTION(cvt_bf16_f32, u16, f32, f32, "cvt.rn.bf16.f32 %0, %1;")
FUNCTION(cvt_bf16x2_f32, u32, f32, f32, "cvt.rn.bf16x2.f32 %0, %1, %2;")
FUNCTION(cvt_f16x2_f32, u32, f32, f32, "cvt.rn.f16x2.f32 %0, %1, %2;")
FUNCTION(cvt_s64_s32, u64, u32, u32, "cvt.s64.s32 %0, %1;")
FUNCTION(cvt_u32_u64, u32, u64, u64, "cvt.u32.u64 %0, %1;")
FUNCTION(cvt_s32_s8, u32, u32, u32, "cvt.s32.s8 %0, %1;")
FUNCTION(cvt_u32_u8, u32, u32, u32, "cvt.u32.u8 %0, %1;")
FUNCTION(cvt_sat_s32_s64, u32, u64, u64, "cvt.sat.s32.s64 %0, %1;")
// clang-format on

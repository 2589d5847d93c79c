#include "tensor_map.h"

#include <cuda.h>

#include <cstring>
#include <string>

#include "driver.h"

namespace ptx {
namespace {

CUresult refuse(const std::string& why) {
  complain("cuTensorMapEncodeTiled: " + why);
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult encode(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank, void* base,
                const cuuint64_t* sizes, const cuuint64_t* pitches, const cuuint32_t* box,
                const cuuint32_t* steps, CUtensorMapInterleave interleave,
                CUtensorMapSwizzle swizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill fill) {
  const bool halves =
      type == CU_TENSOR_MAP_DATA_TYPE_FLOAT16 || type == CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  if (!halves && type != CU_TENSOR_MAP_DATA_TYPE_FLOAT32) return refuse("this type of element");
  if (rank != 2) return refuse("emulated for two dimensions only");
  if (interleave != CU_TENSOR_MAP_INTERLEAVE_NONE) return refuse("interleaving is not emulated");
  if (swizzle > CU_TENSOR_MAP_SWIZZLE_128B) return refuse("this swizzle is not emulated");
  if (reinterpret_cast<uint64_t>(map) % 64) return refuse("the map must be aligned to 64 bytes");
  if (reinterpret_cast<uint64_t>(base) % 16)
    return refuse("the matrix must be aligned to 16 bytes");
  if (pitches[0] % 16 || pitches[0] >> 40) {
    return refuse("rows of " + std::to_string(pitches[0]) + " bytes: not a multiple of 16");
  }
  const uint32_t bytes = halves ? 2 : 4;
  for (int i = 0; i < 2; ++i) {
    if (sizes[i] == 0 || sizes[i] > uint64_t{1} << 32) return refuse("a size of the matrix");
    if (box[i] == 0 || box[i] > 256) return refuse("a box of " + std::to_string(box[i]));
    if (steps[i] != 1) return refuse("steps are not emulated");
  }
  const uint32_t width = box[0] * bytes;
  const uint32_t bits = static_cast<uint32_t>(swizzle);  // none, 32, 64, 128 bytes
  if (width % 16) return refuse("rows of a box: not a multiple of 16 bytes");
  if (bits && width > 16u << bits) return refuse("rows of a box are longer than the swizzle");
  const bool nan = fill == CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA;
  const TensorMap made{kTensorMapMark, static_cast<unsigned char*>(base),
                       sizes[0],       sizes[1],
                       pitches[0],     box[0],
                       box[1],         bytes,
                       bits,           nan ? 0x7fffffffu : 0u};
  static_assert(sizeof made <= sizeof *map);
  std::memcpy(map, &made, sizeof made);
  return CUDA_SUCCESS;
}

}  // namespace

void* driver_function(const char* name) {
  return std::strcmp(name, "cuTensorMapEncodeTiled") ? nullptr : reinterpret_cast<void*>(encode);
}

}  // namespace ptx

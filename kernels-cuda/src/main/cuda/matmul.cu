// Products of matrices on the ordinary arithmetic units.
#include "matmul_units.cuh"

#define PRODUCT(TILE)                                                                              \
  KERNEL __launch_bounds__(256, 2) matmul_##TILE##_f32(                                            \
      float* c, const float* a, const float* b, Matrices shape, Walk batch) {                      \
    product<TILE>(Part<float>(c, a, b, shape, batch, blockIdx.z), shape, Unchanged());             \
  }

PRODUCT(128)
PRODUCT(64)

#define SMALL(NAME, T)                                                                             \
  KERNEL __launch_bounds__(256) matmul_32_##NAME(                                                  \
      T::Element* c, const T::Element* a, const T::Element* b, Matrices shape, Walk batch) {       \
    small_product<T>(                                                                              \
        Part<T::Element>(c, a, b, shape, batch, blockIdx.z), shape, Unchanged());                  \
  }

SMALL(f32, F32)
SMALL(bf16, BF16)
SMALL(f16, F16)

KERNEL matmul_parts_f32(float* c, const float* partial, i64 matrix, i64 parts, i64 count) {
  i64 index = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (index < count) {
    c[index] = sum_of_parts(partial, index, matrix, parts);
  }
}

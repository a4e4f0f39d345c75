// Products of matrices of F32 on the ordinary arithmetic units, and what becomes of their results.
#include "finish.cuh"
#include "matmul_units.cuh"

#define PRODUCT(TILE)                                                                              \
  KERNEL __launch_bounds__(256, 2) matmul_##TILE##_finish_f32(                                     \
      float* c, const float* a, const float* b, Matrices shape, Walk batch, const float* first,    \
      const float* second, Finish finish) {                                                        \
    product<TILE>(                                                                                 \
        Part<float>(c, a, b, shape, batch, blockIdx.z), shape,                                     \
        Finisher(finish, first, second, batch, blockIdx.z));                                       \
  }

PRODUCT(128)
PRODUCT(64)

KERNEL __launch_bounds__(256) matmul_32_finish_f32(
    float* c, const float* a, const float* b, Matrices shape, Walk batch, const float* first,
    const float* second, Finish finish) {
  small_product<F32>(
      Part<float>(c, a, b, shape, batch, blockIdx.z), shape,
      Finisher(finish, first, second, batch, blockIdx.z));
}

KERNEL matmul_parts_finish_f32(
    float* c, const float* partial, i64 matrix, i64 parts, i64 count, i64 columns, Walk batch,
    const float* first, const float* second, Finish finish) {
  i64 index = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (index < count) {
    Finisher finisher(finish, first, second, batch, (u32)(index / matrix));
    i64 row = index % matrix / columns;
    c[index] = finisher.one(sum_of_parts(partial, index, matrix, parts), row, index % columns);
  }
}

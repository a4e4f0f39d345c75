// Products of matrices of F32 on tensor cores, and what becomes of their results.
#include "finish.cuh"
#include "matmul_cores.cuh"

#define PRODUCT(TILE, M, N)                                                                        \
  KERNEL __launch_bounds__(THREADS, 2) matmul_##TILE##_finish_f32(                                 \
      float* c, const float* a, const float* b, Matrices shape, Walk batch, const float* first,    \
      const float* second, Finish finish) {                                                        \
    product<TILE, M, N>(c, a, b, shape, batch, [&] {                                               \
      return Finisher(finish, first, second, batch, again(blockIdx.z));                            \
    });                                                                                            \
  }

PRODUCT(128, 32, 64)
PRODUCT(64, 32, 16)
PRODUCT(32, 16, 8)

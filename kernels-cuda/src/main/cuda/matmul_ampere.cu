// Products of matrices of F32 on tensor cores.
#include "matmul_cores.cuh"

#define PRODUCT(TILE, M, N)                                                                        \
  KERNEL __launch_bounds__(THREADS, 2) matmul_##TILE##_f32(                                        \
      float* c, const float* a, const float* b, Matrices shape, Walk batch) {                      \
    product<TILE, M, N>(c, a, b, shape, batch, [] { return Unchanged(); });                        \
  }

PRODUCT(128, 32, 64)
PRODUCT(64, 32, 16)
PRODUCT(32, 16, 8)

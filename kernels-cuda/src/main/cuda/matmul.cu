// Products of matrices on the ordinary arithmetic units. Each element is a sum over k in ascending
// order of fused multiply-adds, whatever the tile and the layout.
#include "quern.cuh"

struct Matrices {
  i64 m, n, k;
  i64 a_row, a_column; // elements between neighbours
  i64 b_row, b_column;
};

// One matrix of the batch: kept in Walk order, operands a and b.
template <int TILE, int PER_THREAD, int DEPTH>
__device__ inline void product(
    float* c, const float* a, const float* b, const Matrices& shape, const Walk& batch) {
  const int SIDE = TILE / PER_THREAD;
  const int THREADS = SIDE * SIDE;
  __shared__ float tile_a[DEPTH][TILE + 4];
  __shared__ float tile_b[DEPTH][TILE + 4];
  i64 at[2];
  locate(batch, blockIdx.z, at);
  a += at[0];
  b += at[1];
  c += blockIdx.z * shape.m * shape.n;
  i64 top = (i64)blockIdx.y * TILE;
  i64 left = (i64)blockIdx.x * TILE;
  int thread_row = threadIdx.x / SIDE;
  int thread_column = threadIdx.x % SIDE;
  float sums[PER_THREAD][PER_THREAD];
  for (int i = 0; i < PER_THREAD; i++) {
    for (int j = 0; j < PER_THREAD; j++) {
      sums[i][j] = 0;
    }
  }
  bool a_along_k = shape.a_column == 1;
  bool b_along_k = shape.b_row == 1 && shape.b_column != 1;
  for (i64 depth = 0; depth < shape.k; depth += DEPTH) {
    for (int e = threadIdx.x; e < TILE * DEPTH; e += THREADS) {
      int i = a_along_k ? e / DEPTH : e % TILE;
      int p = a_along_k ? e % DEPTH : e / TILE;
      bool inside = top + i < shape.m && depth + p < shape.k;
      tile_a[p][i] =
          inside ? a[(top + i) * shape.a_row + (depth + p) * shape.a_column] : 0.0f;
    }
    for (int e = threadIdx.x; e < TILE * DEPTH; e += THREADS) {
      int j = b_along_k ? e / DEPTH : e % TILE;
      int p = b_along_k ? e % DEPTH : e / TILE;
      bool inside = left + j < shape.n && depth + p < shape.k;
      tile_b[p][j] =
          inside ? b[(depth + p) * shape.b_row + (left + j) * shape.b_column] : 0.0f;
    }
    __syncthreads();
    int steps = shape.k - depth < DEPTH ? (int)(shape.k - depth) : DEPTH;
    if (steps == DEPTH) {
#pragma unroll
      for (int p = 0; p < DEPTH; p++) {
        float column[PER_THREAD];
        float row[PER_THREAD];
#pragma unroll
        for (int i = 0; i < PER_THREAD; i++) {
          column[i] = tile_a[p][thread_row * PER_THREAD + i];
          row[i] = tile_b[p][thread_column * PER_THREAD + i];
        }
#pragma unroll
        for (int i = 0; i < PER_THREAD; i++) {
#pragma unroll
          for (int j = 0; j < PER_THREAD; j++) {
            sums[i][j] = fmaf(column[i], row[j], sums[i][j]);
          }
        }
      }
    } else {
      for (int p = 0; p < steps; p++) {
#pragma unroll
        for (int i = 0; i < PER_THREAD; i++) {
#pragma unroll
          for (int j = 0; j < PER_THREAD; j++) {
            sums[i][j] = fmaf(
                tile_a[p][thread_row * PER_THREAD + i],
                tile_b[p][thread_column * PER_THREAD + j],
                sums[i][j]);
          }
        }
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < PER_THREAD; i++) {
#pragma unroll
    for (int j = 0; j < PER_THREAD; j++) {
      i64 row = top + thread_row * PER_THREAD + i;
      i64 column = left + thread_column * PER_THREAD + j;
      if (row < shape.m && column < shape.n) {
        c[row * shape.n + column] = sums[i][j];
      }
    }
  }
}

KERNEL __launch_bounds__(256, 2) matmul_128_f32(
    float* c, const float* a, const float* b, Matrices shape, Walk batch) {
  product<128, 8, 16>(c, a, b, shape, batch);
}

KERNEL __launch_bounds__(256, 2) matmul_32_f32(
    float* c, const float* a, const float* b, Matrices shape, Walk batch) {
  product<32, 2, 32>(c, a, b, shape, batch);
}

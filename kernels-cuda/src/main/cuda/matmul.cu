// Products of matrices on the ordinary arithmetic units. Each element is a sum over k in ascending
// order of fused multiply-adds, whatever the tile and the layout.
#include "quern.cuh"

struct Matrices {
  i64 m, n, k;
  i64 a_row, a_column; // elements between neighbours
  i64 b_row, b_column;
};

struct alignas(16) Four {
  float x[4];
};

__device__ inline bool is_aligned(const void* pointer) {
  return (u64)pointer % 16 == 0;
}

// One operand of a tile: TILE lines across the sum, DEPTH elements of each. Every thread moves four
// elements, first to registers, then to shared memory.
template <int TILE, int DEPTH>
struct Panel {
  const float* at;         // this thread's first element
  int lines_left;          // lines from its first element to the end
  int steps_left;
  bool along;              // whether its elements follow each other along the sum
  bool vector;             // whether they can be loaded at once
  int my_line, my_step;
  float held[4];

  __device__ Panel(const float* operand, i64 line, i64 step, i64 first, i64 lines, i64 steps) {
    along = step == 1;
    vector = (along || line == 1) && (along ? line : step) % 4 == 0 && is_aligned(operand);
    my_line = along ? threadIdx.x / (DEPTH / 4) : threadIdx.x % (TILE / 4) * 4;
    my_step = along ? threadIdx.x % (DEPTH / 4) * 4 : threadIdx.x / (TILE / 4);
    at = operand + (first + my_line) * line + my_step * step;
    lines_left = (int)(lines - first) - my_line;
    steps_left = (int)steps - my_step;
  }

  // Loads this thread's elements of the next tile.
  __device__ void load(i64 line, i64 step) {
    int left = along ? steps_left : lines_left;
    bool inside = (along ? lines_left : steps_left) > 0;
    if (vector && inside && left >= 4) {
      Four four = *(const Four*)at;
#pragma unroll
      for (int i = 0; i < 4; i++) {
        held[i] = four.x[i];
      }
    } else {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        held[i] = inside && i < left ? at[i * (along ? step : line)] : 0.0f;
      }
    }
    at += DEPTH * step;
    steps_left -= DEPTH;
  }

  __device__ void store(float (&tile)[DEPTH][TILE + 4]) {
    if (along) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        tile[my_step + i][my_line] = held[i];
      }
    } else {
      Four four = {{held[0], held[1], held[2], held[3]}};
      *(Four*)&tile[my_step][my_line] = four;
    }
  }
};

// A thread computes groups of 4 x 4 elements that lie 64 apart. The threads of a warp share 8 groups
// of rows and 4 of columns, so that they read 128 bytes of shared memory at a time.
template <int TILE>
__device__ inline void product(
    float* c, const float* a, const float* b, const Matrices& shape, const Walk& batch) {
  const int DEPTH = 1024 / TILE;
  const int GROUPS = TILE / 64;
  __shared__ float tile_a[2][DEPTH][TILE + 4];
  __shared__ float tile_b[2][DEPTH][TILE + 4];
  i64 at[2];
  locate(batch, blockIdx.z, at);
  c += blockIdx.z * shape.m * shape.n;
  i64 top = (i64)blockIdx.y * TILE;
  i64 left = (i64)blockIdx.x * TILE;
  Panel<TILE, DEPTH> panel_a(a + at[0], shape.a_row, shape.a_column, top, shape.m, shape.k);
  Panel<TILE, DEPTH> panel_b(b + at[1], shape.b_column, shape.b_row, left, shape.n, shape.k);
  int warp = threadIdx.x / 32;
  int lane = threadIdx.x % 32;
  int row = (warp / 4 * 8 + lane / 4) * 4;
  int column = (warp % 4 * 4 + lane % 4) * 4;
  float sums[4 * GROUPS][4 * GROUPS];
#pragma unroll
  for (int i = 0; i < 4 * GROUPS; i++) {
#pragma unroll
    for (int j = 0; j < 4 * GROUPS; j++) {
      sums[i][j] = 0;
    }
  }
  panel_a.load(shape.a_row, shape.a_column);
  panel_b.load(shape.b_column, shape.b_row);
  panel_a.store(tile_a[0]);
  panel_b.store(tile_b[0]);
  __syncthreads();
  int now = 0;
  for (int tiles = (int)((shape.k + DEPTH - 1) / DEPTH); tiles > 0; tiles--) {
    bool more = tiles > 1;
    if (more) {
      panel_a.load(shape.a_row, shape.a_column);
      panel_b.load(shape.b_column, shape.b_row);
    }
    // Beyond the end of the sum both factors are 0.
#pragma unroll 2
    for (int p = 0; p < DEPTH; p++) {
      Four lines[GROUPS];
      Four columns[GROUPS];
#pragma unroll
      for (int g = 0; g < GROUPS; g++) {
        lines[g] = *(const Four*)&tile_a[now][p][64 * g + row];
        columns[g] = *(const Four*)&tile_b[now][p][64 * g + column];
      }
#pragma unroll
      for (int i = 0; i < 4 * GROUPS; i++) {
#pragma unroll
        for (int j = 0; j < 4 * GROUPS; j++) {
          sums[i][j] = fmaf(lines[i / 4].x[i % 4], columns[j / 4].x[j % 4], sums[i][j]);
        }
      }
    }
    if (more) {
      panel_a.store(tile_a[1 - now]);
      panel_b.store(tile_b[1 - now]);
      __syncthreads();
      now = 1 - now;
    }
  }
  bool vector = shape.n % 4 == 0 && is_aligned(c);
#pragma unroll
  for (int i = 0; i < 4 * GROUPS; i++) {
    i64 at_row = top + row + i / 4 * 64 + i % 4;
    if (at_row < shape.m) {
#pragma unroll
      for (int g = 0; g < GROUPS; g++) {
        i64 at_column = left + column + 64 * g;
        float* to = c + at_row * shape.n + at_column;
        if (vector && at_column < shape.n) {
          Four four = {{sums[i][4 * g], sums[i][4 * g + 1], sums[i][4 * g + 2], sums[i][4 * g + 3]}};
          *(Four*)to = four;
        } else {
#pragma unroll
          for (int j = 0; j < 4; j++) {
            if (at_column + j < shape.n) {
              to[j] = sums[i][4 * g + j];
            }
          }
        }
      }
    }
  }
}

KERNEL __launch_bounds__(256, 2) matmul_128_f32(
    float* c, const float* a, const float* b, Matrices shape, Walk batch) {
  product<128>(c, a, b, shape, batch);
}

KERNEL __launch_bounds__(256, 2) matmul_64_f32(
    float* c, const float* a, const float* b, Matrices shape, Walk batch) {
  product<64>(c, a, b, shape, batch);
}

// How elements are stored.
struct F32 {
  typedef float Element;
  __device__ static float load(float x) { return x; }
  __device__ static float store(float x) { return x; }
};

struct BF16 {
  typedef unsigned short Element;
  __device__ static float load(unsigned short x) { return from_bf16(x); }
  __device__ static unsigned short store(float x) { return to_bf16(x); }
};

struct F16 {
  typedef unsigned short Element;
  __device__ static float load(unsigned short x) { return from_f16(x); }
  __device__ static unsigned short store(float x) { return to_f16(x); }
};

// Tiles of 32 x 32 for matrices that are too few or too small for more.
template <typename T>
__device__ inline void small_product(
    typename T::Element* c,
    const typename T::Element* a,
    const typename T::Element* b,
    const Matrices& shape,
    const Walk& batch) {
  __shared__ float tile_a[32][33];
  __shared__ float tile_b[32][33];
  i64 at[2];
  locate(batch, blockIdx.z, at);
  a += at[0];
  b += at[1];
  c += blockIdx.z * shape.m * shape.n;
  i64 top = (i64)blockIdx.y * 32;
  i64 left = (i64)blockIdx.x * 32;
  int lane = threadIdx.x % 32;
  int line = threadIdx.x / 32;
  bool a_along = shape.a_column == 1;
  bool b_along = shape.b_row == 1 && shape.b_column != 1;
  float sums[4] = {0, 0, 0, 0};
  for (i64 depth = 0; depth < shape.k; depth += 32) {
#pragma unroll
    for (int e = 0; e < 4; e++) {
      i64 i = a_along ? line + 8 * e : lane;
      i64 p = a_along ? lane : line + 8 * e;
      bool inside = top + i < shape.m && depth + p < shape.k;
      tile_a[p][i] =
          inside ? T::load(a[(top + i) * shape.a_row + (depth + p) * shape.a_column]) : 0.0f;
      i64 j = b_along ? line + 8 * e : lane;
      i64 q = b_along ? lane : line + 8 * e;
      inside = left + j < shape.n && depth + q < shape.k;
      tile_b[q][j] =
          inside ? T::load(b[(depth + q) * shape.b_row + (left + j) * shape.b_column]) : 0.0f;
    }
    __syncthreads();
    int steps = shape.k - depth < 32 ? (int)(shape.k - depth) : 32;
    for (int p = 0; p < steps; p++) {
      float x = tile_b[p][lane];
#pragma unroll
      for (int e = 0; e < 4; e++) {
        sums[e] = fmaf(tile_a[p][line + 8 * e], x, sums[e]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int e = 0; e < 4; e++) {
    i64 row = top + line + 8 * e;
    if (row < shape.m && left + lane < shape.n) {
      c[row * shape.n + left + lane] = T::store(sums[e]);
    }
  }
}

#define SMALL(NAME, T)                                                                             \
  KERNEL __launch_bounds__(256) matmul_32_##NAME(                                                  \
      T::Element* c, const T::Element* a, const T::Element* b, Matrices shape, Walk batch) {       \
    small_product<T>(c, a, b, shape, batch);                                                       \
  }

SMALL(f32, F32)
SMALL(bf16, BF16)
SMALL(f16, F16)

// How products of matrices are made on the ordinary arithmetic units. Each element is a sum over k in ascending
// order of fused multiply-adds, whatever the tile and the layout.
#pragma once
#include "matmul.cuh"

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
    vector = (along || line == 1) && (along ? line : step) % 4 == 0 && are_aligned((u64)operand);
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
      load_quad(held, at);
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
      store_quad(&tile[my_step][my_line], held);
    }
  }
};

// A thread computes groups of 4 x 4 elements that lie 64 apart. The threads of a warp share 8 groups
// of rows and 4 of columns, so that they read 128 bytes of shared memory at a time.
template <int TILE, typename Finish>
__device__ inline void product(
    const Part<float>& part, const Matrices& shape, const Finish& finish) {
  const int DEPTH = 1024 / TILE;
  const int GROUPS = TILE / 64;
  __shared__ float tile_a[2][DEPTH][TILE + 4];
  __shared__ float tile_b[2][DEPTH][TILE + 4];
  i64 top = (i64)blockIdx.y * TILE;
  i64 left = (i64)blockIdx.x * TILE;
  Panel<TILE, DEPTH> panel_a(part.a, shape.a_row, shape.a_column, top, shape.m, part.k);
  Panel<TILE, DEPTH> panel_b(part.b, shape.b_column, shape.b_row, left, shape.n, part.k);
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
  for (int tiles = (int)((part.k + DEPTH - 1) / DEPTH); tiles > 0; tiles--) {
    bool more = tiles > 1;
    if (more) {
      panel_a.load(shape.a_row, shape.a_column);
      panel_b.load(shape.b_column, shape.b_row);
    }
    // Beyond the end of the sum both factors are 0.
#pragma unroll 2
    for (int p = 0; p < DEPTH; p++) {
      float lines[4 * GROUPS];
      float columns[4 * GROUPS];
#pragma unroll
      for (int g = 0; g < GROUPS; g++) {
        load_quad(&lines[4 * g], &tile_a[now][p][64 * g + row]);
        load_quad(&columns[4 * g], &tile_b[now][p][64 * g + column]);
      }
#pragma unroll
      for (int i = 0; i < 4 * GROUPS; i++) {
#pragma unroll
        for (int j = 0; j < 4 * GROUPS; j++) {
          sums[i][j] = fmaf(lines[i], columns[j], sums[i][j]);
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
  bool vector = shape.n % 4 == 0 && are_aligned((u64)part.c);
#pragma unroll
  for (int i = 0; i < 4 * GROUPS; i++) {
    i64 at_row = top + row + i / 4 * 64 + i % 4;
    if (at_row < shape.m) {
#pragma unroll
      for (int g = 0; g < GROUPS; g++) {
        i64 at_column = left + column + 64 * g;
        float* to = part.c + at_row * shape.n;
        finish.quad(&sums[i][4 * g], at_row, at_column, shape.n);
        store_quad(to, &sums[i][4 * g], at_column, shape.n, vector);
      }
    }
  }
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

// Tiles of 32 x 32 for matrices that are too few or too small for more. Sums are finished as F32.
template <typename T, typename Finish>
__device__ inline void small_product(
    const Part<typename T::Element>& part, const Matrices& shape, const Finish& finish) {
  __shared__ float tile_a[32][33];
  __shared__ float tile_b[32][33];
  auto a = part.a;
  auto b = part.b;
  i64 top = (i64)blockIdx.y * 32;
  i64 left = (i64)blockIdx.x * 32;
  int lane = threadIdx.x % 32;
  int line = threadIdx.x / 32;
  bool a_along = shape.a_column == 1;
  bool b_along = shape.b_row == 1 && shape.b_column != 1;
  float sums[4] = {0, 0, 0, 0};
  for (i64 depth = 0; depth < part.k; depth += 32) {
#pragma unroll
    for (int e = 0; e < 4; e++) {
      i64 i = a_along ? line + 8 * e : lane;
      i64 p = a_along ? lane : line + 8 * e;
      bool inside = top + i < shape.m && depth + p < part.k;
      tile_a[p][i] =
          inside ? T::load(a[(top + i) * shape.a_row + (depth + p) * shape.a_column]) : 0.0f;
      i64 j = b_along ? line + 8 * e : lane;
      i64 q = b_along ? lane : line + 8 * e;
      inside = left + j < shape.n && depth + q < part.k;
      tile_b[q][j] =
          inside ? T::load(b[(depth + q) * shape.b_row + (left + j) * shape.b_column]) : 0.0f;
    }
    __syncthreads();
    int steps = part.k - depth < 32 ? (int)(part.k - depth) : 32;
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
      part.c[row * shape.n + left + lane] = T::store(finish.one(sums[e], row, left + lane));
    }
  }
}

// The sum of the parts of a result, one after another.
__device__ inline float sum_of_parts(const float* partial, i64 index, i64 matrix, i64 parts) {
  const float* from = partial + index / matrix * matrix * parts + index % matrix;
  float sum = from[0];
  for (i64 part = 1; part < parts; part++) {
    sum += from[part * matrix];
  }
  return sum;
}

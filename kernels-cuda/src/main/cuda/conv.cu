// Convolutions and their gradients as products of matrices, one of which is never laid out: its
// columns and its steps are the pixels and the taps of a filter, whose places in an image add up.
// Each element is a sum over the steps in ascending order, or over parts of them.
#include "conv.cuh"

// A block makes a tile of the result of one group, or of one part of it.
template <int TILE_M, int TILE_N, int PER_M, int PER_N, bool A_ALONG_K, bool B_ALONG_K>
__device__ inline void convolve(
    float* c, const float* a, const float* b, const float* bias, const Product& shape,
    const Places& columns, const Places& steps) {
  const int DEPTH = 8;
  const int ACROSS = TILE_N / PER_N;
  const int THREADS = TILE_M / PER_M * ACROSS;
  const int LOADS_A = TILE_M * DEPTH / THREADS;
  const int LOADS_B = TILE_N * DEPTH / THREADS;
  __shared__ Quad tile_a[2][DEPTH][TILE_M / 4 + 1];
  __shared__ Quad tile_b[2][DEPTH][TILE_N / 4 + 1];
  __shared__ Place column_places[TILE_N];
  __shared__ Place step_places[2][DEPTH];
  u32 thread = threadIdx.x;
  u32 tiles = (u32)((shape.m + TILE_M - 1) / TILE_M);
  int top = (int)(blockIdx.x % tiles) * TILE_M;
  int left = (int)(blockIdx.x / tiles) * TILE_N;
  int first = (int)(blockIdx.z * shape.part_length);
  int end = (int)part_end(shape, first);
  int m = (int)shape.m;
  a += shape.a_first + blockIdx.y * shape.a_group;
  b += blockIdx.y * shape.b_group;
  for (u32 i = thread; i < TILE_N; i += THREADS) {
    column_places[i] = place(columns, left + (int)i, (int)shape.n);
  }
  if (thread < 2 * DEPTH) {
    step_places[thread / DEPTH][thread % DEPTH] = place(steps, first + (int)thread, end);
  }
  __syncthreads();

  // What this thread loads of a tile: the first row or column and the first step, and how far apart
  // the others are.
  const int APART_A = A_ALONG_K ? THREADS / DEPTH : 0;
  const int APART_B = B_ALONG_K ? THREADS / DEPTH : 0;
  const int STEPS_A = A_ALONG_K ? 0 : THREADS / TILE_M;
  const int STEPS_B = B_ALONG_K ? 0 : THREADS / TILE_N;
  u32 first_row = A_ALONG_K ? thread / DEPTH : thread % TILE_M;
  u32 first_column = B_ALONG_K ? thread / DEPTH : thread % TILE_N;
  u32 step_a = A_ALONG_K ? thread % DEPTH : thread / TILE_M;
  u32 step_b = B_ALONG_K ? thread % DEPTH : thread / TILE_N;
  int a_row = (int)shape.a_row;
  float next_a[LOADS_A];
  float next_b[LOADS_B];
  auto load = [&](int half) {
#pragma unroll
    for (int i = 0; i < LOADS_A; i++) {
      int row = top + (int)first_row + i * APART_A;
      row = row < m ? row : m - 1;
      int at = step_places[half][step_a + i * STEPS_A].other;
      next_a[i] = at >= 0 ? a[row * a_row + at] : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < LOADS_B; i++) {
      Place column = column_places[first_column + i * APART_B];
      Place step = step_places[half][step_b + i * STEPS_B];
      next_b[i] = pixel(b, shape, column, step);
    }
  };
  auto keep = [&](int half) {
#pragma unroll
    for (int i = 0; i < LOADS_A; i++) {
      u32 row = first_row + i * APART_A;
      tile_a[half][step_a + i * STEPS_A][row / 4].lane[row % 4] = next_a[i];
    }
#pragma unroll
    for (int i = 0; i < LOADS_B; i++) {
      u32 column = first_column + i * APART_B;
      tile_b[half][step_b + i * STEPS_B][column / 4].lane[column % 4] = next_b[i];
    }
  };

  Sums<TILE_M, TILE_N, PER_M, PER_N> sums;
  sums.row = (int)(thread / ACROSS);
  sums.column = (int)(thread % ACROSS);
  sums.start(bias, top, m, first == 0);
  load(0);
  keep(0);
  __syncthreads();
  int half = 0;
  for (int depth = first; depth < end; depth += DEPTH) {
    if (depth + DEPTH < end) {
      load(half ^ 1);
    }
    if (thread < DEPTH) {
      step_places[half][thread] = place(steps, depth + 2 * DEPTH + (int)thread, end);
    }
#pragma unroll
    for (int p = 0; p < DEPTH; p++) {
      sums.add(tile_a[half][p], tile_b[half][p]);
    }
    half ^= 1;
    if (depth + DEPTH < end) {
      keep(half);
    }
    __syncthreads();
  }

  sums.store(c, shape, column_places, top);
}

CONVOLUTIONS(conv2d, true, false)
CONVOLUTIONS(conv2d_input_grad, false, false)
CONVOLUTIONS(conv2d_weight_grad, true, true)

// Few rows in each group, as in depthwise convolutions: a thread makes one element.
KERNEL conv2d_direct_f32(
    float* c, const float* a, const float* b, const float* bias, Product shape, Places columns,
    Places steps) {
  i64 n = thread_index();
  if (n >= shape.n) {
    return;
  }
  u32 group = blockIdx.y / (u32)shape.m;
  u32 row = blockIdx.y % (u32)shape.m;
  a += shape.a_first + group * shape.a_group + row * shape.a_row;
  b += group * shape.b_group;
  Place column = place(columns, (u32)n);
  float sum = bias ? bias[blockIdx.y] : 0.0f;
  for (int outer = 0; outer < (int)(shape.k / steps.area); outer++) {
    for (int j = 0; j < (int)(steps.area / steps.width); j++) {
      int y = (int)steps.top + j * (int)steps.down;
      for (int i = 0; i < (int)steps.width; i++) {
        int x = (int)steps.left + i * (int)steps.right;
        Place step = {outer * (int)steps.image + y * (int)steps.row + x, y, x, 0};
        i64 other = outer * steps.other + j * steps.other_row + i * steps.other_column;
        sum = fmaf(a[other], pixel(b, shape, column, step), sum);
      }
    }
  }
  c[shape.c_first + group * shape.c_group + row * shape.c_row + column.other] =
      finish(sum, shape.relu);
}

// Few elements in each group with long sums: a block makes a part of one, threads take steps in
// turn, and a tree folds the threads.
KERNEL __launch_bounds__(256) conv2d_dot_f32(
    float* c, const float* a, const float* b, Product shape, Places columns, Places steps) {
  __shared__ float sums[256];
  u32 group = blockIdx.y / (u32)shape.m;
  u32 row = blockIdx.y % (u32)shape.m;
  a += shape.a_first + group * shape.a_group + row * shape.a_row;
  b += group * shape.b_group;
  Place column = place(columns, blockIdx.x);
  i64 first = blockIdx.z * shape.part_length;
  i64 end = part_end(shape, first);
  float sum = 0;
  for (i64 k = first + threadIdx.x; k < end; k += 256) {
    Place step = place(steps, (u32)k);
    sum = fmaf(a[step.other], pixel(b, shape, column, step), sum);
  }
  sums[threadIdx.x] = sum;
  __syncthreads();
  for (u32 half = 128; half > 0; half /= 2) {
    if (threadIdx.x < half) {
      sums[threadIdx.x] += sums[threadIdx.x + half];
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    c[blockIdx.z * shape.c_part + group * shape.c_group + row * shape.c_row + column.other] =
        sums[0];
  }
}

// Sums the parts of each element, in order.
KERNEL conv2d_parts_f32(float* to, const float* from, i64 count, i64 parts, i64 relu) {
  i64 i = thread_index();
  if (i >= count) {
    return;
  }
  float sum = from[i];
#pragma unroll 8
  for (i64 part = 1; part < parts; part++) {
    sum += from[part * count + i];
  }
  to[i] = finish(sum, relu);
}

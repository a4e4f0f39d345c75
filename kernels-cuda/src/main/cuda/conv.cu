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

// Few rows in each group, as in depthwise convolutions: a thread makes HIGH elements below each other
// of ROWS rows. It loads a pixel once for the TAPS that lie below each other in the filter, which are
// 1, or all that there are.
const int HIGH = 8;

template <int ROWS, int TAPS>
__device__ inline void convolve_direct(
    float* c, const float* a, const float* b, const float* bias, const Product& shape,
    const Places& columns, const Places& steps) {
  u32 rows = (u32)columns.area / (u32)columns.width;
  u32 strips = (rows + HIGH - 1) / HIGH;
  u32 index = thread_index();
  u32 above = index / (u32)columns.width;
  int column = (int)(index - above * (u32)columns.width);
  u32 image = above / strips;
  int first = (int)(above - image * strips) * HIGH;
  if (image * (u32)columns.area >= shape.n) {
    return;
  }
  int m = (int)shape.m;
  u32 row_groups = (u32)(m + ROWS - 1) / ROWS;
  u32 group = blockIdx.y / row_groups;
  int row = (int)(blockIdx.y % row_groups) * ROWS;
  int first_a = (int)shape.a_first + (int)group * (int)shape.a_group;
  int first_b = (int)group * (int)shape.b_group + (int)image * (int)columns.image;
  int row_places[ROWS];
  float sums[ROWS][HIGH];
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    int at = row + r < m ? row + r : m - 1;
    row_places[r] = at * (int)shape.a_row;
#pragma unroll
    for (int q = 0; q < HIGH; q++) {
      sums[r][q] = bias ? bias[group * m + at] : 0.0f;
    }
  }
  int left = (int)columns.left + column * (int)columns.right + (int)steps.left;
  int down = (int)columns.down;
  int pitch = down * (int)columns.row;
  int tap_rows = (int)((u32)steps.area / (u32)steps.width);
  int outers = (int)((u32)shape.k / (u32)steps.area);
  // Taps are taken as their pixels lie, from top to bottom.
  bool reversed = TAPS > 1 && steps.down < 0;
  int next_tap = reversed ? -(int)steps.other_row : (int)steps.other_row;
  for (int outer = 0; outer < outers; outer++) {
    for (int j = 0; j < tap_rows; j += TAPS) {
      int tap = reversed ? TAPS - 1 : j;
      int top = (int)columns.top + first * down + (int)steps.top + tap * (int)steps.down;
      u32 inside = 0; // a bit for each row of pixels
#pragma unroll
      for (int p = 0; p < HIGH + TAPS - 1; p++) {
        inside |= (u32)((u32)(top + p * down) < (u32)shape.height) << p;
      }
      int factors = first_a + outer * (int)steps.other + tap * (int)steps.other_row;
      int pixels = first_b + outer * (int)steps.image + top * (int)columns.row + left;
#pragma unroll(TAPS == 3 && ROWS == 1 ? 3 : 2)
      for (int i = 0; i < (int)steps.width; i++) {
        int x = i * (int)steps.right;
        int line = again(pixels + x);
        int filter = again(factors + i * (int)steps.other_column);
        u32 loaded = (u32)(left + x) < (u32)shape.width ? inside : 0;
        float factor[TAPS][ROWS];
#pragma unroll
        for (int t = 0; t < TAPS; t++) {
#pragma unroll
          for (int r = 0; r < ROWS; r++) {
            factor[t][r] = a[filter + row_places[r] + t * next_tap];
          }
        }
#pragma unroll
        for (int p = 0; p < HIGH + TAPS - 1; p++) {
          float pixel = loaded >> p & 1 ? b[line + p * pitch] : 0.0f;
#pragma unroll
          for (int t = 0; t < TAPS; t++) {
            if (p >= t && p - t < HIGH) {
#pragma unroll
              for (int r = 0; r < ROWS; r++) {
                sums[r][p - t] = fmaf(factor[t][r], pixel, sums[r][p - t]);
              }
            }
          }
        }
      }
    }
  }
  c += shape.c_first + group * shape.c_group + image * columns.other + first * columns.other_row
      + column * columns.other_column;
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
#pragma unroll
    for (int q = 0; q < HIGH; q++) {
      if (row + r < m && first + q < (int)rows) {
        c[(row + r) * shape.c_row + q * columns.other_row] = finish(sums[r][q], shape.relu);
      }
    }
  }
}

#define DIRECT(ROWS, TAPS)                                                                         \
  KERNEL __launch_bounds__(128, ROWS == 1 ? 6 : 4) conv2d_direct_##ROWS##x##TAPS##_f32(            \
      float* c, const float* a, const float* b, const float* bias, Product shape, Places columns,  \
      Places steps) {                                                                              \
    convolve_direct<ROWS, TAPS>(c, a, b, bias, shape, columns, steps);                             \
  }

DIRECT(1, 1)
DIRECT(1, 3)
DIRECT(1, 4)
DIRECT(1, 5)
DIRECT(1, 7)
DIRECT(3, 1)
DIRECT(3, 3)
DIRECT(3, 4)

// Few elements in each group with long sums: a block makes a part of DOTS of a row, threads take
// steps in turn, and a tree folds the threads.
const int DOTS = 9;

KERNEL __launch_bounds__(256, 3) conv2d_dot_f32(
    float* c, const float* a, const float* b, Product shape, Places columns, Places steps) {
  __shared__ float sums[DOTS][256];
  u32 thread = threadIdx.x;
  u32 group = blockIdx.y / (u32)shape.m;
  u32 row = blockIdx.y % (u32)shape.m;
  int first_a = (int)(shape.a_first + group * shape.a_group + row * shape.a_row);
  Place places[DOTS];
  float mine[DOTS];
#pragma unroll
  for (int i = 0; i < DOTS; i++) {
    places[i] = place(columns, (int)blockIdx.x * DOTS + i, (int)shape.n);
    places[i].at = again(places[i].at + (int)group * (int)shape.b_group);
    mine[i] = 0;
  }
  int first = (int)(blockIdx.z * shape.part_length);
  int end = (int)part_end(shape, first);
  for (int k = first + (int)thread; k < end; k += 256) {
    Place step = place(steps, (u32)k);
    float factor = a[first_a + step.other];
#pragma unroll
    for (int i = 0; i < DOTS; i++) {
      mine[i] = fmaf(factor, pixel(b, shape, places[i], step), mine[i]);
    }
  }
#pragma unroll
  for (int i = 0; i < DOTS; i++) {
    sums[i][thread] = mine[i];
  }
  __syncthreads();
  for (u32 half = 128; half > 0; half /= 2) {
    if (thread < half) {
#pragma unroll
      for (int i = 0; i < DOTS; i++) {
        sums[i][thread] += sums[i][thread + half];
      }
    }
    __syncthreads();
  }
  int column = (int)(blockIdx.x * DOTS + thread);
  if (thread < DOTS && column < (int)shape.n) {
    c[blockIdx.z * shape.c_part + group * shape.c_group + row * shape.c_row
      + place(columns, (u32)column).other] = sums[thread][0];
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

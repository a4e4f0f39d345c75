// Convolutions and their gradients as products of matrices, one of which is never laid out: its
// columns and its steps are the pixels and the taps of a filter, whose places in an image add up.
// Each element is a sum over the steps in ascending order, or over parts of them.
#include "quern.cuh"

struct alignas(16) Quad {
  float lane[4];
};

// How an index runs over an image, outermost first: a channel or an image, rows, columns.
struct Places {
  i64 area, width; // of rows and columns
  i64 top, down; // the first row of the image, and rows between neighbours
  i64 left, right;
  i64 image, row; // elements of the image between neighbours
  i64 other, other_row, other_column; // elements of the other operand between neighbours
};

struct alignas(16) Place {
  int at; // in the image
  int y, x;
  int other; // negative for places that are none
};

struct Product {
  i64 m, n, k; // of one group
  i64 height, width; // of the image
  i64 a_first, a_row, a_group; // the other operand
  i64 b_group; // the image
  i64 c_first, c_row, c_group; // the result
  i64 part_length; // steps of one part of the sum
  i64 c_part; // elements between parts of the result
  i64 relu; // whether it makes negative results 0
};

// Added to any other place it lies outside of the image.
const int OUTSIDE = -(1 << 30);

__device__ inline Place place(const Places& places, u32 index) {
  u32 area = (u32)places.area;
  u32 width = (u32)places.width;
  u32 outer = index / area;
  u32 inner = index - outer * area;
  u32 row = inner / width;
  int column = (int)(inner - row * width);
  int y = (int)places.top + (int)row * (int)places.down;
  int x = (int)places.left + column * (int)places.right;
  int other = (int)outer * (int)places.other + (int)row * (int)places.other_row
      + column * (int)places.other_column;
  return {(int)outer * (int)places.image + y * (int)places.row + x, y, x, other};
}

__device__ inline Place place(const Places& places, int index, int end) {
  return index < end ? place(places, (u32)index) : Place{0, OUTSIDE, OUTSIDE, -1};
}

__device__ inline i64 part_end(const Product& shape, i64 first) {
  return first + shape.part_length < shape.k ? first + shape.part_length : shape.k;
}

__device__ inline float pixel(
    const float* image, const Product& shape, const Place& column, const Place& step) {
  bool inside = ((u32)(column.y + step.y) < (u32)shape.height)
      & ((u32)(column.x + step.x) < (u32)shape.width);
  return inside ? image[column.at + step.at] : 0.0f;
}

__device__ inline float finish(float x, i64 relu) {
  return relu && x <= 0 ? 0.0f : x;
}

// A block makes a tile of the result of one group, or of one part of it. Each thread makes 4 rows
// and columns that follow each other, and as many half a tile further where it makes 8.
template <int TILE_M, int TILE_N, int PER_M, int PER_N, bool A_ALONG_K, bool B_ALONG_K>
__device__ inline void convolve(
    float* c, const float* a, const float* b, const float* bias, const Product& shape,
    const Places& columns, const Places& steps) {
  const int DEPTH = 8;
  const int ACROSS = TILE_N / PER_N;
  const int THREADS = TILE_M / PER_M * ACROSS;
  const int LOADS_A = TILE_M * DEPTH / THREADS;
  const int LOADS_B = TILE_N * DEPTH / THREADS;
  const int APART_M = TILE_M / PER_M; // quads between those of a thread
  const int APART_N = TILE_N / PER_N;
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

  int thread_row = (int)(thread / ACROSS);
  int thread_column = (int)(thread % ACROSS);
  float sums[PER_M][PER_N];
#pragma unroll
  for (int i = 0; i < PER_M; i++) {
    int row = top + (thread_row + i / 4 * APART_M) * 4 + i % 4;
    float start = bias && first == 0 && row < m ? bias[blockIdx.y * m + row] : 0.0f;
#pragma unroll
    for (int j = 0; j < PER_N; j++) {
      sums[i][j] = start;
    }
  }
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
      Quad column[PER_M / 4];
      Quad row[PER_N / 4];
#pragma unroll
      for (int i = 0; i < PER_M / 4; i++) {
        column[i] = tile_a[half][p][thread_row + i * APART_M];
      }
#pragma unroll
      for (int j = 0; j < PER_N / 4; j++) {
        row[j] = tile_b[half][p][thread_column + j * APART_N];
      }
#pragma unroll
      for (int i = 0; i < PER_M; i++) {
#pragma unroll
        for (int j = 0; j < PER_N; j++) {
          sums[i][j] = fmaf(column[i / 4].lane[i % 4], row[j / 4].lane[j % 4], sums[i][j]);
        }
      }
    }
    half ^= 1;
    if (depth + DEPTH < end) {
      keep(half);
    }
    __syncthreads();
  }

  c += shape.c_first + blockIdx.y * shape.c_group + blockIdx.z * shape.c_part;
#pragma unroll
  for (int i = 0; i < PER_M; i++) {
#pragma unroll
    for (int j = 0; j < PER_N; j++) {
      sums[i][j] = finish(sums[i][j], shape.relu);
    }
  }
#pragma unroll
  for (int j = 0; j < PER_N; j += 4) {
    const Place* group = &column_places[(thread_column + j / 4 * APART_N) * 4];
    int at[4];
#pragma unroll
    for (int l = 0; l < 4; l++) {
      at[l] = group[l].other;
    }
    bool dense = at[3] == at[0] + 3;
#pragma unroll
    for (int i = 0; i < PER_M; i++) {
      int row = top + (thread_row + i / 4 * APART_M) * 4 + i % 4;
      float* to = c + row * shape.c_row;
      if (row < m && dense && (u64)(to + at[0]) % 16 == 0) {
        *(Quad*)(to + at[0]) = {sums[i][j], sums[i][j + 1], sums[i][j + 2], sums[i][j + 3]};
      } else if (row < m) {
#pragma unroll
        for (int l = 0; l < 4; l++) {
          if (at[l] >= 0) {
            to[at[l]] = sums[i][j + l];
          }
        }
      }
    }
  }
}

// The kernels of one tile, of which BLOCKS fit on a multiprocessor.
#define CONVOLUTION(NAME, TILE_M, TILE_N, PER_M, PER_N, BLOCKS, A_ALONG_K, B_ALONG_K)             \
  KERNEL __launch_bounds__(TILE_M / PER_M * TILE_N / PER_N, BLOCKS) NAME(                         \
      float* c, const float* a, const float* b, const float* bias, Product shape, Places columns, \
      Places steps) {                                                                             \
    convolve<TILE_M, TILE_N, PER_M, PER_N, A_ALONG_K, B_ALONG_K>(                                 \
        c, a, b, bias, shape, columns, steps);                                                    \
  }

CONVOLUTION(conv2d_128x128_f32, 128, 128, 8, 8, 2, true, false)
CONVOLUTION(conv2d_64x128_f32, 64, 128, 8, 8, 4, true, false)
CONVOLUTION(conv2d_32x128_f32, 32, 128, 8, 4, 4, true, false)
CONVOLUTION(conv2d_32x32_f32, 32, 32, 4, 4, 8, true, false)
CONVOLUTION(conv2d_input_grad_128x128_f32, 128, 128, 8, 8, 2, false, false)
CONVOLUTION(conv2d_input_grad_64x128_f32, 64, 128, 8, 8, 4, false, false)
CONVOLUTION(conv2d_input_grad_32x128_f32, 32, 128, 8, 4, 4, false, false)
CONVOLUTION(conv2d_input_grad_32x32_f32, 32, 32, 4, 4, 8, false, false)
CONVOLUTION(conv2d_weight_grad_128x128_f32, 128, 128, 8, 8, 2, true, true)
CONVOLUTION(conv2d_weight_grad_64x128_f32, 64, 128, 8, 8, 4, true, true)
CONVOLUTION(conv2d_weight_grad_32x128_f32, 32, 128, 8, 4, 4, true, true)
CONVOLUTION(conv2d_weight_grad_32x32_f32, 32, 32, 4, 4, 8, true, true)

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

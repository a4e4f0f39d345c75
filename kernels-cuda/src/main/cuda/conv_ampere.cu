// Convolutions as in conv.cu on tensor cores. Each element is a sum of sums over eight steps.
#include "async.cuh"
#include "conv.cuh"
#include "mma.cuh"
#include "quads.cuh"

const int STAGES = 3;
const int DEPTH = 8;
const int AHEAD = (STAGES - 1) * DEPTH; // steps from those that are copied to those that are multiplied
const int RING = 64;                    // steps whose places are known, half of them at a time

// An element of the result summed up in ascending order, which leaves infinite factors whole.
__device__ inline float ordered_sum(
    const float* a, const float* b, const float* bias, const Product& shape, const Places& steps,
    const Place& column, int row, u32 group, u32 part) {
  int first = (int)(part * shape.part_length);
  int end = (int)part_end(shape, first);
  a += shape.a_first + group * shape.a_group + row * shape.a_row;
  b += group * shape.b_group;
  float sum = bias && first == 0 ? bias[group * shape.m + row] : 0.0f;
  for (int k = first; k < end && !is_nan(sum); k++) {
    Place step = place(steps, (u32)k);
    sum = fmaf(a[step.other], pixel(b, shape, column, step), sum);
  }
  return finish(sum, shape.relu);
}

// A block makes a tile of the result of one group, or of one part of it, and each of its warps M x N
// elements.
template <int TILE_M, int TILE_N, int M, int N, bool A_ALONG_K, bool B_ALONG_K>
__device__ inline void convolve(
    float* c, const float* a, const float* b, const float* bias, const Product& shape,
    const Places& columns, const Places& steps) {
  typedef tf32::Slab<TILE_M, A_ALONG_K> SlabA;
  typedef tf32::Slab<TILE_N, B_ALONG_K> SlabB;
  typedef tf32::Sums<M, N> Sums;
  const int THREADS = TILE_M / M * TILE_N / N * 32;
  const int SIZE = SlabA::SIZE + SlabB::SIZE;
  alignas(16) __shared__ float stages[STAGES * SIZE];
  __shared__ Place column_places[TILE_N];
  __shared__ Place step_places[RING];
  u32 thread = threadIdx.x;
  u32 tiles = (u32)((shape.m + TILE_M - 1) / TILE_M);
  int top = (int)(blockIdx.x % tiles) * TILE_M;
  int left = (int)(blockIdx.x / tiles) * TILE_N;
  int first = (int)(blockIdx.z * shape.part_length);
  int end = (int)part_end(shape, first);
  int m = (int)shape.m;
  const float* from_a = a + shape.a_first + blockIdx.y * shape.a_group;
  const float* from_b = b + blockIdx.y * shape.b_group;
  for (u32 i = thread; i < TILE_N; i += THREADS) {
    column_places[i] = place(columns, left + (int)i, (int)shape.n);
  }
  if (thread < RING) {
    step_places[thread] = place(steps, first + (int)thread, end);
  }
  __syncthreads();

  // What this thread copies of a tile: the first row or column and the first step, and how far apart
  // the others are.
  const int COPIES_A = TILE_M * DEPTH / THREADS;
  const int COPIES_B = TILE_N * DEPTH / THREADS;
  const int APART_A = A_ALONG_K ? THREADS / DEPTH : 0;
  const int APART_B = B_ALONG_K ? THREADS / DEPTH : 0;
  const int STEPS_A = A_ALONG_K ? 0 : THREADS / TILE_M;
  const int STEPS_B = B_ALONG_K ? 0 : THREADS / TILE_N;
  int first_row = (int)(A_ALONG_K ? thread / DEPTH : thread % TILE_M);
  int first_column = (int)(B_ALONG_K ? thread / DEPTH : thread % TILE_N);
  int step_a = (int)(A_ALONG_K ? thread % DEPTH : thread / TILE_M);
  int step_b = (int)(B_ALONG_K ? thread % DEPTH : thread / TILE_N);
  int a_row = (int)shape.a_row;
  auto copy = [&](u32 stage, int from) {
    const Place* places = &step_places[from % RING];
    float* slab_a = stages + stage * SIZE;
    float* slab_b = slab_a + SlabA::SIZE;
#pragma unroll
    for (int i = 0; i < COPIES_A; i++) {
      int row = first_row + i * APART_A;
      int step = step_a + i * STEPS_A;
      int at = places[step].other;
      int inside = top + row < m ? top + row : m - 1;
      copy_async<4>(slab_a + SlabA::at(row, step), from_a + inside * a_row + at, at >= 0);
    }
#pragma unroll
    for (int i = 0; i < COPIES_B; i++) {
      int column = first_column + i * APART_B;
      int step = step_b + i * STEPS_B;
      Place x = column_places[column];
      Place y = places[step];
      copy_async<4>(slab_b + SlabB::at(column, step), from_b + x.at + y.at, is_inside(shape, x, y));
    }
  };

  Sums sums;
  int row = (int)thread / 32 / (TILE_N / N) * M;
  int column = (int)thread / 32 % (TILE_N / N) * N;
#pragma unroll
  for (int i = 0; i < Sums::ROWS; i++) {
    int at = top + row + Sums::row(thread, i);
    float start = bias && first == 0 && at < m ? bias[blockIdx.y * m + at] : 0.0f;
#pragma unroll
    for (int j = 0; j < Sums::GROUPS * Sums::WIDTH; j++) {
      sums.at(i, j) = start;
    }
  }
#pragma unroll
  for (int i = 0; i < STAGES - 1; i++) {
    if (first + i * DEPTH < end) {
      copy(i, i * DEPTH);
    }
    commit_copies();
  }
  int length = end - first;
  if (shape.k < tf32::SHORT) {
    await_copies<0>();
    __syncthreads();
    for (int slab = 0; slab < length * SIZE; slab += DEPTH * SIZE) {
      sums.template multiply_add_in_order<TILE_M, TILE_N, A_ALONG_K, B_ALONG_K>(
          stages, slab / DEPTH, slab / DEPTH + SlabA::SIZE, row, column, thread);
    }
    length = 0;
  }
  u32 now = 0;
  for (int done = 0; done < length; done += DEPTH) {
    await_copies<STAGES - 2>();
    __syncthreads();
    if (done + AHEAD < length) {
      copy((now + STAGES - 1) % STAGES, done + AHEAD);
    }
    commit_copies();
    if (done % (RING / 2) == AHEAD && thread < RING / 2) {
      int step = done - AHEAD + RING + (int)thread;
      step_places[step % RING] = place(steps, first + step, end);
    }
    int slab = (int)now * SIZE;
    sums.template multiply_add<TILE_M, TILE_N, A_ALONG_K, B_ALONG_K>(
        stages, slab, slab + SlabA::SIZE, row, column, thread);
    now = (now + 1) % STAGES;
  }

  c += shape.c_first + blockIdx.y * shape.c_group + blockIdx.z * shape.c_part;
  thread = again(thread);
  row = (int)thread / 32 / (TILE_N / N) * M;
  column = (int)thread / 32 % (TILE_N / N) * N;
  bool exact = true;
#pragma unroll
  for (int j = 0; j < Sums::GROUPS * Sums::WIDTH; j += 4) {
    const Place* group = &column_places[column + Sums::column(thread, j)];
    int at[4];
#pragma unroll
    for (int l = 0; l < 4; l++) {
      at[l] = group[l].other;
    }
    bool dense = at[3] == at[0] + 3;
#pragma unroll
    for (int i = 0; i < Sums::ROWS; i++) {
      float values[4];
#pragma unroll
      for (int l = 0; l < 4; l++) {
        values[l] = finish(sums.at(i, j + l), shape.relu);
        exact &= !is_nan(values[l]);
      }
      int at_row = top + row + Sums::row(thread, i);
      float* to = c + at_row * shape.c_row;
      if (at_row < m && dense && are_aligned((u64)(to + at[0]))) {
        store_quad(to + at[0], values);
      } else if (at_row < m) {
#pragma unroll
        for (int l = 0; l < 4; l++) {
          if (at[l] >= 0) {
            to[at[l]] = values[l];
          }
        }
      }
    }
  }
  if (exact) {
    return;
  }
#pragma unroll 1
  for (int e = 0; e < Sums::ROWS * Sums::GROUPS * Sums::WIDTH; e++) {
    int at_row = top + row + Sums::row(thread, e % Sums::ROWS);
    Place at = column_places[column + Sums::column(thread, e / Sums::ROWS)];
    float* to = c + at_row * shape.c_row + at.other;
    if (at_row < m && at.other >= 0 && is_nan(*to)) {
      *to = ordered_sum(
          a, b, bias, shape, steps, at, at_row, again(blockIdx.y), again(blockIdx.z));
    }
  }
}

// The kernels of one tile, of which BLOCKS fit on a multiprocessor.
#define CONVOLUTION(NAME, TILE_M, TILE_N, M, N, BLOCKS, A_ALONG_K, B_ALONG_K)                      \
  KERNEL __launch_bounds__(TILE_M / M * TILE_N / N * 32, BLOCKS) NAME(                             \
      float* c, const float* a, const float* b, const float* bias, Product shape, Places columns,  \
      Places steps) {                                                                              \
    convolve<TILE_M, TILE_N, M, N, A_ALONG_K, B_ALONG_K>(c, a, b, bias, shape, columns, steps);    \
  }

CONVOLUTION(conv2d_128x128_f32, 128, 128, 32, 64, 2, true, false)
CONVOLUTION(conv2d_64x128_f32, 64, 128, 32, 64, 4, true, false)
CONVOLUTION(conv2d_32x128_f32, 32, 128, 32, 32, 4, true, false)
CONVOLUTION(conv2d_32x32_f32, 32, 32, 32, 16, 8, true, false)
CONVOLUTION(conv2d_input_grad_128x128_f32, 128, 128, 32, 64, 2, false, false)
CONVOLUTION(conv2d_input_grad_64x128_f32, 64, 128, 32, 64, 4, false, false)
CONVOLUTION(conv2d_input_grad_32x128_f32, 32, 128, 32, 32, 4, false, false)
CONVOLUTION(conv2d_input_grad_32x32_f32, 32, 32, 32, 16, 8, false, false)
CONVOLUTION(conv2d_weight_grad_128x128_f32, 128, 128, 32, 64, 2, true, true)
CONVOLUTION(conv2d_weight_grad_64x128_f32, 64, 128, 32, 64, 4, true, true)
CONVOLUTION(conv2d_weight_grad_32x128_f32, 32, 128, 32, 32, 4, true, true)
CONVOLUTION(conv2d_weight_grad_32x32_f32, 32, 32, 32, 16, 8, true, true)

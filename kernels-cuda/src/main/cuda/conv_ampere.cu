// Convolutions and their gradients as products of matrices, as in conv.cu, whose tiles are copied to
// shared memory some steps ahead. Threads keep the places of their columns in registers.
#include "async.cuh"
#include "conv.cuh"

// Places from here on are none: operands have fewer elements.
const u32 NONE = 1u << 30;

// The same address, which the compiler takes for another: it adds places to it with one instruction
// instead of adding each time what it is made of.
__device__ inline const float* again(const float* x) {
  asm volatile("" : "+l"(x));
  return x;
}

// A block makes a tile of the result of one group, or of one part of it.
template <int TILE_M, int TILE_N, int PER_M, int PER_N, bool A_ALONG_K, bool B_ALONG_K>
__device__ inline void convolve(
    float* c, const float* a, const float* b, const float* bias, const Product& shape,
    const Places& columns, const Places& steps) {
  const int DEPTH = 8; // steps of a stage
  const int STAGES = 4;
  const int ACROSS = TILE_N / PER_N;
  const int THREADS = TILE_M / PER_M * ACROSS;
  const int LINE_A = TILE_M + 4; // a quad more, against conflicts of banks
  const int LINE_B = TILE_N + 4;
  const int STAGE = DEPTH * (LINE_A + LINE_B);
  alignas(16) __shared__ float stages[STAGES * STAGE];
  __shared__ Place step_places[2 * THREADS]; // of the steps being copied and the next ones
  __shared__ Place results[TILE_N]; // of the columns
  int thread = (int)threadIdx.x;
  u32 tiles = (u32)((shape.m + TILE_M - 1) / TILE_M);
  int top = (int)(blockIdx.x % tiles) * TILE_M;
  int left = (int)(blockIdx.x / tiles) * TILE_N;
  int first = (int)(blockIdx.z * shape.part_length);
  int end = (int)part_end(shape, first);
  int m = (int)shape.m;
  for (int i = thread; i < TILE_N; i += THREADS) {
    results[i] = place(columns, left + i, (int)shape.n);
  }
  step_places[thread] = place(steps, first + thread, end);
  step_places[THREADS + thread] = place(steps, first + THREADS + thread, end);
  __syncthreads();

  // What this thread copies of a stage: rows and columns from the first ones on, which lie APART, in
  // steps from the first ones on.
  const int APART = THREADS / DEPTH;
  const int ROWS = A_ALONG_K ? TILE_M / APART : 1;
  const int STEPS_A = A_ALONG_K ? 1 : TILE_M * DEPTH / THREADS;
  const int COLUMNS = B_ALONG_K ? TILE_N / APART : 1;
  const int STEPS_B = B_ALONG_K ? 1 : TILE_N * DEPTH / THREADS;
  int first_row = A_ALONG_K ? thread / DEPTH : thread % TILE_M;
  int first_column = B_ALONG_K ? thread / DEPTH : thread % TILE_N;
  int step_a = A_ALONG_K ? thread % DEPTH : thread / TILE_M * STEPS_A;
  int step_b = B_ALONG_K ? thread % DEPTH : thread / TILE_N * STEPS_B;
  a = again(a + shape.a_first + blockIdx.y * shape.a_group);
  b = again(b + blockIdx.y * shape.b_group);
  int row_places[ROWS];
  Place column_places[COLUMNS];
#pragma unroll
  for (int i = 0; i < ROWS; i++) {
    int row = top + first_row + i * APART;
    row_places[i] = (row < m ? row : m - 1) * (int)shape.a_row;
  }
#pragma unroll
  for (int i = 0; i < COLUMNS; i++) {
    column_places[i] = place(columns, left + first_column + i * APART, (int)shape.n);
  }
  u32 height = (u32)shape.height;
  u32 width = (u32)shape.width;
  int to_a = step_a * LINE_A + first_row;
  int to_b = DEPTH * LINE_A + step_b * LINE_B + first_column;
  auto copy = [&](float* stage, const Place* places) {
    int at_a[STEPS_A];
    Place at_b[STEPS_B];
#pragma unroll
    for (int s = 0; s < STEPS_A; s++) {
      at_a[s] = places[step_a + s].other;
    }
#pragma unroll
    for (int s = 0; s < STEPS_B; s++) {
      at_b[s] = places[step_b + s];
    }
#pragma unroll
    for (int s = 0; s < STEPS_A; s++) {
#pragma unroll
      for (int i = 0; i < ROWS; i++) {
        copy_async<4>(
            stage + to_a + s * LINE_A + i * APART, a + (row_places[i] + at_a[s]),
            (u32)at_a[s] < NONE);
      }
    }
#pragma unroll
    for (int s = 0; s < STEPS_B; s++) {
#pragma unroll
      for (int i = 0; i < COLUMNS; i++) {
        const Place& column = column_places[i];
        bool inside =
            ((u32)(column.y + at_b[s].y) < height) & ((u32)(column.x + at_b[s].x) < width);
        copy_async<4>(
            stage + to_b + s * LINE_B + i * APART, b + (column.at + at_b[s].at), inside);
      }
    }
  };

  // The threads of a warp share 8 quads of rows and 4 of columns, where there are as many rows, so
  // that they read at most 128 bytes of shared memory at a time.
  const int WARP_ROWS = TILE_M / PER_M < 8 ? TILE_M / PER_M : 8;
  const int WARP_COLUMNS = 32 / WARP_ROWS;
  int warp = thread / 32;
  int lane = thread % 32;
  Sums<TILE_M, TILE_N, PER_M, PER_N> sums;
  sums.row = warp / (ACROSS / WARP_COLUMNS) * WARP_ROWS + lane / WARP_COLUMNS;
  sums.column = warp % (ACROSS / WARP_COLUMNS) * WARP_COLUMNS + lane % WARP_COLUMNS;
  sums.start(bias, top, m, first == 0);
  int count = (end - first + DEPTH - 1) / DEPTH;
#pragma unroll
  for (int i = 0; i < STAGES - 1; i++) {
    if (i < count) {
      copy(stages + i * STAGE, step_places + i * DEPTH);
    }
    commit_copies();
  }
  for (int now = 0; now < count; now++) {
    await_copies<STAGES - 2>();
    __syncthreads();
    int next = now + STAGES - 1;
    int next_step = next * DEPTH;
    if (next < count) {
      copy(stages + next % STAGES * STAGE, step_places + next_step % (2 * THREADS));
    }
    commit_copies();
    // All threads have copied the steps before these, whose places can be replaced.
    int after = first + next_step + THREADS;
    if (next_step % THREADS == 0 && after < end) {
      step_places[(next_step + THREADS) % (2 * THREADS) + thread] = place(steps, after + thread, end);
    }
    const float* stage = stages + now % STAGES * STAGE;
#pragma unroll
    for (int p = 0; p < DEPTH; p++) {
      sums.add((const Quad*)(stage + p * LINE_A), (const Quad*)(stage + DEPTH * LINE_A + p * LINE_B));
    }
  }
  sums.store(c, shape, results, top);
}

CONVOLUTIONS(conv2d, true, false)
CONVOLUTIONS(conv2d_input_grad, false, false)
CONVOLUTIONS(conv2d_weight_grad, true, true)

// How products of matrices of F32 are made on tensor cores. Each element is a sum of sums over eight steps, whatever
// the tile and the layout.
#pragma once
#include "async.cuh"
#include "matmul.cuh"
#include "mma.cuh"

const int THREADS = 256;
const int STAGES = 4;
const int SIZE = 4 * THREADS; // elements of an operand in a stage

// One operand of a tile, of which slabs with STEPS steps are copied at a time, four neighbours by
// every thread.
template <int TILE, bool ALONG>
struct Panel {
  static const int STEPS = SIZE / TILE;

  const float* from; // this thread's first element
  int lines_left;    // lines from it to the end
  int my_step;       // its step
  int to;            // its place
  bool vector;       // whether neighbours can be copied at once

  __device__ Panel(
      const float* operand, i64 line, i64 step, i64 first, i64 lines, i64 steps, int thread) {
    int my_line = ALONG ? thread / STEPS * 4 + thread / 2 % 4 : thread % (TILE / 4) * 4;
    my_step = ALONG ? thread / 8 * 8 % STEPS + thread % 2 * 4 : thread / (TILE / 4);
    from = operand + (first + my_line) * line + my_step * step;
    to = my_step / 8 * 8 * TILE + tf32::Slab<TILE, ALONG>::at(my_line, my_step % 8);
    lines_left = (int)(lines - first) - my_line;
    vector = (ALONG || line == 1) && (ALONG ? line : step) % 4 == 0
        && (ALONG ? steps : lines) % 4 == 0 && are_aligned((u64)operand);
  }

  // Starts to copy the next steps of those that are left.
  __device__ void copy(float* slabs, i64 line, i64 step, int steps) {
    if (vector) {
      copy_async<16>(slabs + to, from, lines_left > 0 && steps > my_step);
    } else {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        bool inside = lines_left > (ALONG ? 0 : i) && steps > my_step + (ALONG ? i : 0);
        copy_async<4>(slabs + to + i, from + i * (ALONG ? step : line), inside);
      }
    }
    from += STEPS * step;
  }
};

// A tile of the result by 8 warps, each of which makes M x N elements.
template <int TILE, int M, int N>
struct Tile {
  static const int STEPS = SIZE / TILE;

  tf32::Sums<M, N> sums;

  __device__ static i64 top() {
    return (i64)blockIdx.y * TILE;
  }

  __device__ static i64 left() {
    return (i64)blockIdx.x * TILE;
  }

  // Where a warp's elements begin in the tile.
  __device__ static int row(u32 thread) {
    return (int)thread / 32 / (TILE / N) * M;
  }

  __device__ static int column(u32 thread) {
    return (int)thread / 32 % (TILE / N) * N;
  }

  __device__ Tile() {
#pragma unroll
    for (int i = 0; i < sums.ROWS; i++) {
#pragma unroll
      for (int j = 0; j < sums.GROUPS * sums.WIDTH; j++) {
        sums.at(i, j) = 0;
      }
    }
  }

  // IN_ORDER: by ordinary arithmetic.
  template <bool A_ALONG, bool B_ALONG, bool IN_ORDER>
  __device__ void multiply(const Part<float>& part, const Matrices& shape, float* stages) {
    u32 thread = again(threadIdx.x);
    Panel<TILE, A_ALONG> a(part.a, shape.a_row, shape.a_column, top(), shape.m, part.k, thread);
    Panel<TILE, B_ALONG> b(part.b, shape.b_column, shape.b_row, left(), shape.n, part.k, thread);
    auto copy = [&](float* stage, int steps_left) {
      a.copy(stage, shape.a_row, shape.a_column, steps_left);
      b.copy(stage + SIZE, shape.b_column, shape.b_row, steps_left);
    };
    int steps = (int)part.k;
#pragma unroll
    for (int i = 0; i < STAGES - 1; i++) {
      if (steps > i * STEPS) {
        copy(stages + i * 2 * SIZE, steps - i * STEPS);
      }
      commit_copies();
    }
    for (u32 now = 0; steps > 0; steps -= STEPS) {
      await_copies<STAGES - 2>();
      __syncthreads();
      if (steps > (STAGES - 1) * STEPS) {
        copy(stages + (now + STAGES - 1) % STAGES * 2 * SIZE, steps - (STAGES - 1) * STEPS);
      }
      commit_copies();
#pragma unroll 1
      for (int i = 0; i < SIZE; i += 8 * TILE) {
        int slab = now * 2 * SIZE + i;
        if (IN_ORDER) {
          sums.template multiply_add_in_order<TILE, TILE, A_ALONG, B_ALONG>(
              stages, slab, slab + SIZE, row(thread), column(thread), thread);
        } else {
          sums.template multiply_add<TILE, TILE, A_ALONG, B_ALONG>(
              stages, slab, slab + SIZE, row(thread), column(thread), thread);
        }
      }
      now = (now + 1) % STAGES;
    }
  }

  template <typename Finish>
  __device__ void store(const Part<float>& part, const Matrices& shape, const Finish& finish) {
    bool vector = shape.n % 4 == 0 && are_aligned((u64)part.c);
    bool exact = true;
#pragma unroll
    for (int i = 0; i < sums.ROWS; i++) {
#pragma unroll
      for (int j = 0; j < sums.GROUPS * sums.WIDTH; j++) {
        exact &= !is_nan(sums.at(i, j));
      }
    }
    u32 thread = again(threadIdx.x);
#pragma unroll
    for (int i = 0; i < sums.ROWS; i++) {
      i64 at_row = top() + row(thread) + sums.row(thread, i);
      float* to = part.c + at_row * shape.n;
#pragma unroll
      for (int j = 0; j < sums.GROUPS * sums.WIDTH; j += 4) {
        i64 at_column = left() + column(thread) + sums.column(thread, j);
        float values[4] = {};
#pragma unroll
        for (int l = 0; l < 4 && l < sums.WIDTH; l++) {
          values[l] = sums.at(i, j + l);
        }
        i64 end = sums.WIDTH < 4 && at_column + 2 < shape.n ? at_column + 2 : shape.n;
        if (at_row < shape.m) {
          if (Finish::ANY && exact) {
            finish.quad(values, at_row, at_column, end);
          }
          store_quad(to, values, at_column, end, vector);
        }
      }
    }
    if (!exact) {
      replace_nans(part, shape, finish);
    }
  }

  // Sums anew, in ascending order, which leaves infinite factors whole, and finishes all elements.
  template <typename Finish>
  __device__ void replace_nans(
      const Part<float>& part, const Matrices& shape, const Finish& finish) {
#pragma unroll 1
    for (int e = 0; e < sums.ROWS * sums.GROUPS * sums.WIDTH; e++) {
      i64 at_row = top() + row(threadIdx.x) + sums.row(threadIdx.x, e % sums.ROWS);
      i64 at_column = left() + column(threadIdx.x) + sums.column(threadIdx.x, e / sums.ROWS);
      float* at = part.c + at_row * shape.n + at_column;
      if (at_row < shape.m && at_column < shape.n) {
        float sum = *at;
        if (is_nan(sum)) {
          const float* a = part.a + at_row * shape.a_row;
          const float* b = part.b + at_column * shape.b_column;
          sum = 0;
          for (i64 p = 0; p < part.k && !is_nan(sum); p++) {
            sum = fmaf(a[p * shape.a_column], b[p * shape.b_row], sum);
          }
        }
        *at = finish.one(sum, at_row, at_column);
      }
    }
  }
};

// Finish makes what finishes the results.
template <int TILE, int M, int N, bool A_ALONG, bool B_ALONG, bool IN_ORDER, typename Finish>
__device__ inline void product(
    float* c, const float* a, const float* b, const Matrices& shape, const Walk& batch, float* stages,
    Finish finish) {
  Tile<TILE, M, N> tile;
  tile.template multiply<A_ALONG, B_ALONG, IN_ORDER>(
      Part<float>(c, a, b, shape, batch, again(blockIdx.z)), shape, stages);
  tile.store(Part<float>(c, a, b, shape, batch, again(blockIdx.z)), shape, finish());
}

template <int TILE, int M, int N, typename Finish>
__device__ inline void product(
    float* c, const float* a, const float* b, const Matrices& shape, const Walk& batch, Finish finish) {
  alignas(16) __shared__ float stages[STAGES * 2 * SIZE];
  bool a_along = shape.a_column == 1;
  bool b_along = shape.b_row == 1;
  if (shape.k < tf32::SHORT) {
    product<TILE, M, N, false, false, true>(c, a, b, shape, batch, stages, finish);
  } else if (a_along && b_along) {
    product<TILE, M, N, true, true, false>(c, a, b, shape, batch, stages, finish);
  } else if (a_along) {
    product<TILE, M, N, true, false, false>(c, a, b, shape, batch, stages, finish);
  } else if (b_along) {
    product<TILE, M, N, false, true, false>(c, a, b, shape, batch, stages, finish);
  } else {
    product<TILE, M, N, false, false, false>(c, a, b, shape, batch, stages, finish);
  }
}

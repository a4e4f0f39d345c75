// Products of F32 on the tensor cores of compute capability 8.0 and later, which take factors of 11
// bits: each factor is the sum of two such, and three of the four products are summed up.
#pragma once
#include "quern.cuh"

#ifdef __CUDACC__ // tests have another
// d += a b for 16 x 8 and 8 x 8 elements of the TF32 format by a warp. With g = lane / 4 and
// t = lane % 4 a thread has of a: (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4), of b: (t, g),
// (t + 4, g), of d: (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1).
__device__ inline void mma_tf32(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32"
      " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif

namespace tf32 {

// A float as the sum of two of 11 bits, but for an error of its last bit. The low part of an infinite
// one is NaN, and with it all products.
struct Split {
  u32 high, low; // of low the tensor cores read the first 11 bits
};

__device__ inline Split split(float x) {
  u32 high = ((u32)__float_as_int(x) + 0x1000) & ~0x1fff;
  return {high, (u32)__float_as_int(x - __int_as_float((int)high))};
}

// d += a b for tiles that lie in the threads of a warp as for mma_tf32. Tensor cores round sums
// towards 0, which adds up over many.
__device__ inline void accumulate(float (&d)[4], const Split (&a)[4], const Split (&b)[2]) {
  mma_tf32(d, {a[0].low, a[1].low, a[2].low, a[3].low}, {b[0].high, b[1].high});
  mma_tf32(d, {a[0].high, a[1].high, a[2].high, a[3].high}, {b[0].low, b[1].low});
  mma_tf32(d, {a[0].high, a[1].high, a[2].high, a[3].high}, {b[0].high, b[1].high});
}

// As accumulate, but sums d up with the rounding of F32.
__device__ inline void multiply_add(float (&d)[4], const Split (&a)[4], const Split (&b)[2]) {
  float sum[4] = {0, 0, 0, 0};
  accumulate(sum, a, b);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    d[i] += sum[i];
  }
}

// Sums of fewer steps are done by ordinary arithmetic: they may not have as many roundings as the
// products here.
const int SHORT = 16;

// Where factors lie in shared memory: 8 steps of the sum for TILE lines, which are rows of a or
// columns of b. ALONG: steps are neighbours, else lines are. The permutations let the lanes of a warp
// read from 32 banks.
template <int TILE, bool ALONG>
struct Slab {
  static const int SIZE = 8 * TILE;

  __device__ static int at(int line, int step) {
    return ALONG ? (line ^ (line / 4 & 3)) * 8 + step : step * TILE + (line ^ step / 2 * 8);
  }
};

template <int N>
struct alignas(4 * N) Floats {
  float lane[N];
};

// This thread's factors among those of 8 LINES lines from first on: LINES neighbours and two steps.
template <int TILE, bool ALONG, int LINES>
__device__ inline void load(float (&factors)[LINES][2], const float* memory, int slab, int first, int lane) {
  int line = first + lane / 4 * LINES;
  int step = lane % 4 * 2;
  if (ALONG) {
    int at = slab + Slab<TILE, ALONG>::at(line, step);
#pragma unroll
    for (int i = 0; i < LINES; i++) {
      Floats<2> pair = *(const Floats<2>*)&memory[at ^ 8 * i]; // line is a multiple of LINES
      factors[i][0] = pair.lane[0];
      factors[i][1] = pair.lane[1];
    }
  } else {
#pragma unroll
    for (int s = 0; s < 2; s++) {
      Floats<LINES> lines = *(const Floats<LINES>*)&memory[slab + Slab<TILE, ALONG>::at(line, step + s)];
#pragma unroll
      for (int i = 0; i < LINES; i++) {
        factors[i][s] = lines.lane[i];
      }
    }
  }
}

// The M x N elements that a warp sums up. A thread has those of ROWS rows and of GROUPS times WIDTH
// columns.
template <int M, int N>
struct Sums {
  static const int ROWS = M / 8;
  static const int LINES = N < 32 ? N / 8 : 4;
  static const int GROUPS = N / 8 / LINES;
  static const int WIDTH = 2 * LINES;

  float sums[GROUPS][ROWS / 2][LINES][4];

  // An element of this thread.
  __device__ float& at(int i, int j) {
    return sums[j / WIDTH][i / 2][j % LINES][i % 2 * 2 + j % WIDTH / LINES];
  }

  // Row and column of a thread's elements in the M x N.
  __device__ static int row(u32 thread, int i) {
    return (int)thread % 32 / 4 * ROWS + i;
  }

  __device__ static int column(u32 thread, int j) {
    return j / WIDTH * 8 * LINES + (int)thread % 4 * WIDTH + j % WIDTH;
  }

  // Adds the products of slabs, which begin at multiples of 32 in memory, and whose lines from row
  // and column on are this warp's.
  template <int TILE_M, int TILE_N, bool A_ALONG, bool B_ALONG>
  __device__ void multiply_add(
      const float* memory, int slab_a, int slab_b, int row, int column, u32 thread) {
    int lane = (int)thread % 32;
    float whole_a[ROWS][2];
    load<TILE_M, A_ALONG>(whole_a, memory, slab_a, row, lane);
    Split a[ROWS / 2][4];
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
      a[i / 2][i % 2] = split(whole_a[i][0]);
      a[i / 2][i % 2 + 2] = split(whole_a[i][1]);
    }
#pragma unroll
    for (int g = 0; g < GROUPS; g++) {
      float whole_b[LINES][2];
      load<TILE_N, B_ALONG>(whole_b, memory, slab_b, column + g * 8 * LINES, lane);
#pragma unroll
      for (int j = 0; j < LINES; j++) {
        Split b[2] = {split(whole_b[j][0]), split(whole_b[j][1])};
#pragma unroll
        for (int i = 0; i < ROWS / 2; i++) {
          tf32::multiply_add(sums[g][i][j], a[i], b);
        }
      }
    }
  }

  // The same by ordinary arithmetic, one step after another.
  template <int TILE_M, int TILE_N, bool A_ALONG, bool B_ALONG>
  __device__ void multiply_add_in_order(
      const float* memory, int slab_a, int slab_b, int row, int column, u32 thread) {
#pragma unroll 1
    for (int step = 0; step < 8; step++) {
      float a[ROWS];
#pragma unroll
      for (int i = 0; i < ROWS; i++) {
        a[i] = memory[slab_a + Slab<TILE_M, A_ALONG>::at(row + Sums::row(thread, i), step)];
      }
#pragma unroll
      for (int j = 0; j < GROUPS * WIDTH; j++) {
        float b = memory[slab_b + Slab<TILE_N, B_ALONG>::at(column + Sums::column(thread, j), step)];
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
          at(i, j) = fmaf(a[i], b, at(i, j));
        }
      }
    }
  }
};

}  // namespace tf32

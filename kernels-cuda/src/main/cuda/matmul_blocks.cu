// Products with weights of few bits: the rows of a matrix are blocks of integers with a scale and a zero point
// each, (q - zero) scale. One row of the other matrix, or a few, are multiplied by the packed weights, which is
// as fast as these are read; for more the weights are unpacked first.
#include "quads.cuh"

typedef unsigned char u8;

struct Blocks {
  i64 m, n, k;
  i64 block;      // elements, a power of two from 16 on
  i64 blocks;     // of a row
  i64 zero_bytes; // of a row's zero points; 0 where all are half the range
};

// Elements that a thread unpacks at a time. They lie in one block.
const int RUN = 16;

template <int BITS>
struct alignas(RUN * BITS / 8) Packed {
  u32 words[RUN * BITS / 32];
};

template <int BITS>
__device__ inline Packed<BITS> load_run(const u8* from, bool aligned) {
  if (aligned) {
    return *(const Packed<BITS>*)from;
  }
  Packed<BITS> run;
#pragma unroll
  for (int i = 0; i < RUN * BITS / 32; i++) {
    const u8* bytes = from + 4 * i;
    run.words[i] = (u32)bytes[0] | (u32)bytes[1] << 8 | (u32)bytes[2] << 16 | (u32)bytes[3] << 24;
  }
  return run;
}

// The integer that is so many places of its kind behind the low end of `bits`, less a zero point.
template <int BITS>
__device__ inline float centred(u32 bits, int place, float zero) {
  u32 number = bits >> place * BITS & ((1u << BITS) - 1);
  return __int_as_float((int)(0x4b000000 | number)) - (0x1p23f + zero); // exactly
}

template <int BITS>
__device__ inline float zero_point(const u8* zeros, i64 row, i64 block, const Blocks& shape) {
  if (shape.zero_bytes == 0) {
    return 1 << (BITS - 1);
  }
  u32 byte = zeros[row * shape.zero_bytes + block * BITS / 8];
  return (float)(byte >> block * BITS % 8 & ((1u << BITS) - 1));
}

const int MOST_WARPS = 8;
const int COLUMNS = 4; // of a block of threads, rows of the weights

// A thread has every so many runs along the sum, for all columns of its block.
template <int BITS, int ROWS>
__device__ inline void multiply_rows(
    float* c, const float* a, const u8* q, const float* scales, const u8* zeros, const Blocks& shape) {
  __shared__ float warp_totals[MOST_WARPS][ROWS * COLUMNS];
  i64 row = (i64)blockIdx.y * ROWS;
  i64 column = (i64)blockIdx.x * COLUMNS;
  i64 row_bytes = shape.blocks * shape.block * BITS / 8;
  int shift = 31 - __clz((int)shape.block);
  bool a_aligned = are_aligned((u64)a) && shape.k % 4 == 0;
  bool q_aligned = (u64)q % sizeof(Packed<BITS>) == 0;
  auto row_of = [&](int r) { return row + r < shape.m ? row + r : shape.m - 1; };
  auto column_of = [&](int j) { return column + j < shape.n ? column + j : shape.n - 1; };
  float totals[ROWS][COLUMNS] = {};
  for (i64 at = (i64)threadIdx.x * RUN; at < shape.k; at += (i64)blockDim.x * RUN) {
    i64 block = at >> shift;
    Packed<BITS> runs[COLUMNS];
    float xs[ROWS][RUN];
#pragma unroll
    for (int j = 0; j < COLUMNS; j++) {
      runs[j] = load_run<BITS>(q + column_of(j) * row_bytes + at * BITS / 8, q_aligned);
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
#pragma unroll
      for (int i = 0; i < RUN; i += 4) {
        load_quad(xs[r] + i, a + row_of(r) * shape.k, at + i, shape.k, a_aligned);
      }
    }
#pragma unroll
    for (int j = 0; j < COLUMNS; j++) {
      float scale = scales[column_of(j) * shape.blocks + block];
      float zero = zero_point<BITS>(zeros, column_of(j), block, shape);
      float sums[ROWS] = {};
#pragma unroll
      for (int i = 0; i < RUN; i++) {
        float number = centred<BITS>(runs[j].words[i * BITS / 32], i % (32 / BITS), zero);
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
          sums[r] = fmaf(xs[r][i], number, sums[r]);
        }
      }
#pragma unroll
      for (int r = 0; r < ROWS; r++) {
        totals[r][j] = fmaf(sums[r], scale, totals[r][j]);
      }
    }
  }
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
#pragma unroll
    for (int j = 0; j < COLUMNS; j++) {
      float total = totals[r][j];
#pragma unroll
      for (int mask = 16; mask > 0; mask /= 2) {
        total += __shfl_xor_sync(0xffffffff, total, mask);
      }
      if (threadIdx.x % 32 == 0) {
        warp_totals[threadIdx.x / 32][r * COLUMNS + j] = total;
      }
    }
  }
  __syncthreads();
  int result = (int)threadIdx.x;
  row += result / COLUMNS;
  column += result % COLUMNS;
  if (result < ROWS * COLUMNS && row < shape.m && column < shape.n) {
    float total = warp_totals[0][result];
    for (int warp = 1; warp < (int)blockDim.x / 32; warp++) {
      total += warp_totals[warp][result];
    }
    c[row * shape.n + column] = total;
  }
}

// Weights as floats, [n, k], four neighbours by each thread.
template <int BITS>
__device__ inline void unpack(
    float* to, const u8* q, const float* scales, const u8* zeros, const Blocks& shape) {
  i64 index = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  i64 quads = (shape.k + 3) / 4;
  i64 row = index / quads;
  i64 at = index % quads * 4;
  if (row >= shape.n) {
    return;
  }
  i64 block = at / shape.block;
  const u8* from = q + (row * shape.blocks * shape.block + at) * BITS / 8;
  u32 bits = 0;
#pragma unroll
  for (int i = 0; i < BITS / 2; i++) {
    bits |= (u32)from[i] << 8 * i;
  }
  float scale = scales[row * shape.blocks + block];
  float zero = zero_point<BITS>(zeros, row, block, shape);
  float weights[4];
#pragma unroll
  for (int i = 0; i < 4; i++) {
    weights[i] = centred<BITS>(bits, i, zero) * scale;
  }
  store_quad(to + row * shape.k, weights, at, shape.k, shape.k % 4 == 0);
}

#define BLOCK_KERNELS(BITS)                                                                        \
  KERNEL __launch_bounds__(MOST_WARPS * 32) matmul_blocks_##BITS##_row(                            \
      float* c, const float* a, const u8* q, const float* scales, const u8* zeros, Blocks shape) { \
    multiply_rows<BITS, 1>(c, a, q, scales, zeros, shape);                                         \
  }                                                                                                \
  KERNEL __launch_bounds__(MOST_WARPS * 32) matmul_blocks_##BITS##_rows(                           \
      float* c, const float* a, const u8* q, const float* scales, const u8* zeros, Blocks shape) { \
    multiply_rows<BITS, 4>(c, a, q, scales, zeros, shape);                                         \
  }                                                                                                \
  KERNEL unpack_blocks_##BITS(                                                                     \
      float* to, const u8* q, const float* scales, const u8* zeros, Blocks shape) {                \
    unpack<BITS>(to, q, scales, zeros, shape);                                                     \
  }

BLOCK_KERNELS(4)
BLOCK_KERNELS(8)

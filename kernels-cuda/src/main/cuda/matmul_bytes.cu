// Products of matrices of bytes by the instruction that multiplies four of them.
#include "bytes.cuh"

// Half a chunk.
struct alignas(8) Half {
  u32 words[2];
};

template <int TILE>
__device__ inline void bytes::add_tile(
    Sums<TILE>& sums, const u32* a, const u32* b, int row, int column) {
  row += threadIdx.x % 32 / 4;
  column += threadIdx.x % 4 * 2;
#pragma unroll 1
  for (int half = 0; half < 2 * Slabs<TILE>::CHUNKS; half++) {
    Half rows[sums.ROWS];
#pragma unroll
    for (int i = 0; i < sums.ROWS; i++) {
      rows[i] = *(const Half*)&a[Slabs<TILE>::at(row + 8 * i, half / 2) + half % 2 * 2];
    }
#pragma unroll
    for (int j = 0; j < 2 * sums.PAIRS; j++) {
      int line = column + j / 2 * 8 + j % 2;
      Half factors = *(const Half*)&b[Slabs<TILE>::at(line, half / 2) + half % 2 * 2];
#pragma unroll
      for (int w = 0; w < 2; w++) {
#pragma unroll
        for (int i = 0; i < sums.ROWS; i++) {
          sums.at(i, j) = bytes::add_products(rows[i].words[w], factors.words[w], sums.at(i, j));
        }
      }
    }
  }
}

BYTES_KERNELS

// The sums of the parts.
KERNEL matmul_parts_bytes(
    u32* c, const u32* partial, i64 matrix, i64 parts, i64 count, i64 floats) {
  i64 index = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (index < count) {
    const u32* from = partial + index / matrix * matrix * parts + index % matrix;
    u32 sum = 0;
    for (i64 part = 0; part < parts; part++) {
      sum += from[part * matrix];
    }
    c[index] = bytes::result(sum, floats);
  }
}

const int ROW_THREADS = 512;

// One row times a matrix whose columns are neighbours. LANES threads have 16 columns each, and steps
// of the sum four at a time; the loads of two such are under way together.
template <int LANES>
__device__ inline void row_product(
    u32* c, const u8* a, const u8* a_zeros, const u8* b, const u8* b_zeros, const Matrices& shape,
    const Zeros& zeros, const Walk& batch) {
  using namespace bytes;
  const int GROUPS = ROW_THREADS / LANES;
  const int EACH = LANES / 2; // columns of a thread when its warp has summed up
  __shared__ u32 warp_sums[ROW_THREADS / 32][16 * LANES];
  i64 starts[4];
  locate(batch, blockIdx.y, starts);
  a += starts[0];
  b += starts[1];
  a_zeros += starts[2];
  b_zeros += starts[3];
  int lane = threadIdx.x % LANES;
  i64 column = ((i64)blockIdx.x * LANES + lane) * 16;
  u32 flip_a = four(zeros.a_flip);
  u32 flip_b = four(zeros.b_flip);
  u32 zero_a = zero_point(*a_zeros, zeros.a_flip);
  u32 sums[16] = {};
  u32 sums_of_b[16] = {};
  u32 sum_of_a = 0;
  u32 count = 0;
  if (column < shape.n) {
    for (i64 at = threadIdx.x / LANES * 4; at < shape.k; at += 8 * GROUPS) {
      Quad rows[2][4];
#pragma unroll
      for (int u = 0; u < 2; u++) {
#pragma unroll
        for (int s = 0; s < 4; s++) {
          i64 step = at + u * 4 * GROUPS + s;
          rows[u][s] = {flip_b, flip_b, flip_b, flip_b};
          if (step < shape.k) {
            rows[u][s] = *(const Quad*)(b + step * shape.b_row + column);
          }
        }
      }
#pragma unroll
      for (int u = 0; u < 2; u++) {
        u32 factors = 0;
#pragma unroll
        for (int s = 0; s < 4; s++) {
          i64 step = at + u * 4 * GROUPS + s;
          if (step < shape.k) {
            factors |= (u32)a[step * shape.a_column] << 8 * s;
            count++;
          } else {
            factors |= (u32)zeros.a_flip << 8 * s;
          }
        }
        factors ^= flip_a;
        sum_of_a = add_bytes(factors, sum_of_a);
#pragma unroll
        for (int w = 0; w < 4; w++) {
          u32 columns[4];
          transpose(
              columns, rows[u][0].words[w], rows[u][1].words[w], rows[u][2].words[w],
              rows[u][3].words[w]);
#pragma unroll
          for (int j = 0; j < 4; j++) {
            sums[4 * w + j] = add_products(factors, columns[j] ^ flip_b, sums[4 * w + j]);
          }
          if (zero_a != 0) {
#pragma unroll
            for (int j = 0; j < 4; j++) {
              sums_of_b[4 * w + j] = add_bytes(columns[j] ^ flip_b, sums_of_b[4 * w + j]);
            }
          }
        }
      }
    }
#pragma unroll
    for (int j = 0; j < 16; j++) {
      u32 zero_b = zero_point(b_zeros[(column + j) * zeros.b_column], zeros.b_flip);
      sums[j] -= zero_a * sums_of_b[j] + zero_b * (sum_of_a - count * zero_a);
    }
  }
  // Two threads add up their sums and go on with half of them each.
  int first = 0;
#pragma unroll
  for (int mask = 16, half = 8; mask >= LANES; mask /= 2, half /= 2) {
    bool upper = (threadIdx.x & mask) != 0;
    first += upper ? half : 0;
#pragma unroll
    for (int j = 0; j < half; j++) {
      u32 given = upper ? sums[j] : sums[j + half];
      u32 kept = upper ? sums[j + half] : sums[j];
      sums[j] = kept + __shfl_xor_sync(0xffffffff, given, mask);
    }
  }
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    warp_sums[threadIdx.x / 32][16 * lane + first + j] = sums[j];
  }
  __syncthreads();
  column = (i64)blockIdx.x * LANES * 16 + threadIdx.x;
  if (threadIdx.x < 16 * LANES && column < shape.n) {
    u32 sum = 0;
#pragma unroll
    for (int warp = 0; warp < ROW_THREADS / 32; warp++) {
      sum += warp_sums[warp][threadIdx.x];
    }
    c[blockIdx.y * shape.n + column] = result(sum, zeros.floats);
  }
}

#define ROW(LANES)                                                                                 \
  KERNEL __launch_bounds__(ROW_THREADS) matmul_row_##LANES##_bytes(                                \
      u32* c, const u8* a, const u8* a_zeros, const u8* b, const u8* b_zeros, Matrices shape,      \
      Zeros zeros, Walk batch) {                                                                   \
    row_product<LANES>(c, a, a_zeros, b, b_zeros, shape, zeros, batch);                            \
  }

ROW(2)
ROW(8)

// One row times a matrix whose rows are neighbours, a warp for each column.
KERNEL __launch_bounds__(256) matmul_row_along_bytes(
    u32* c, const u8* a, const u8* a_zeros, const u8* b, const u8* b_zeros, Matrices shape,
    Zeros zeros, Walk batch) {
  using namespace bytes;
  i64 starts[4];
  locate(batch, blockIdx.y, starts);
  a += starts[0];
  i64 column = (i64)blockIdx.x * 8 + threadIdx.x / 32;
  b += starts[1] + column * shape.b_column;
  u32 flip_a = four(zeros.a_flip);
  u32 flip_b = four(zeros.b_flip);
  u32 sum = 0;
  u32 sum_of_a = 0;
  u32 sum_of_b = 0;
  if (column < shape.n) {
#pragma unroll 4
    for (i64 at = threadIdx.x % 32 * 16; at < shape.k; at += 512) {
      Quad left = *(const Quad*)(a + at);
      Quad right = *(const Quad*)(b + at);
#pragma unroll
      for (int w = 0; w < 4; w++) {
        u32 x = left.words[w] ^ flip_a;
        u32 y = right.words[w] ^ flip_b;
        sum = add_products(x, y, sum);
        sum_of_a = add_bytes(x, sum_of_a);
        sum_of_b = add_bytes(y, sum_of_b);
      }
    }
    u32 zero_a = zero_point(a_zeros[starts[2]], zeros.a_flip);
    u32 zero_b = zero_point(b_zeros[starts[3] + column * zeros.b_column], zeros.b_flip);
    sum -= zero_a * sum_of_b + zero_b * sum_of_a;
    if (threadIdx.x % 32 == 0) {
      sum += (u32)shape.k * zero_a * zero_b;
    }
  }
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) {
    sum += __shfl_xor_sync(0xffffffff, sum, mask);
  }
  if (threadIdx.x % 32 == 0 && column < shape.n) {
    c[blockIdx.y * shape.n + column] = result(sum, zeros.floats);
  }
}

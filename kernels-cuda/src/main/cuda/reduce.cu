// Folds of some dimensions. Every order of summation follows from shapes and layouts alone.
#include "quads.cuh"

enum Fold { SUM, PROD, MAX, MIN };

template <int FOLD>
__device__ inline float identity() {
  switch (FOLD) {
    case SUM: return 0;
    case PROD: return 1;
    case MAX: return __int_as_float((int)0xff800000);
    default: return __int_as_float(0x7f800000);
  }
}

template <int FOLD>
__device__ inline float combine(float x, float y) {
  switch (FOLD) {
    case SUM: return x + y;
    case PROD: return x * y;
    case MAX: return larger(x, y);
    default: return smaller(x, y);
  }
}

// A team of threads folds one part of what belongs to one result: threads take four elements in
// turn, and a tree folds the threads. Parts of a result lie side by side.
//
// runs: whether four elements in turn are neighbours, at multiples of four
// walks: kept dimensions of the input, folded dimensions of the input
template <int FOLD>
__device__ inline void reduce_rows(
    float* to,
    const float* from,
    i64 team,
    i64 parts,
    i64 part_length,
    i64 runs,
    const Walk& kept,
    const Walk& folded) {
  __shared__ float sums[8];
  u32 thread = threadIdx.x % (u32)team;
  i64 part = blockIdx.x * (blockDim.x / team) + threadIdx.x / (u32)team;
  bool inside = part < kept.count * parts;
  i64 first = part % parts * part_length;
  i64 end = first + part_length < folded.count ? first + part_length : folded.count;
  const float* row = from + (inside ? locate(kept, (u32)(part / parts)) : 0);
  bool quads = runs && are_aligned((u64)from);
  bool dense = folded.rank == 1;
  i64 stride = folded.strides[0][0];
  float sum[4];
  for (int e = 0; e < 4; e++) {
    sum[e] = identity<FOLD>();
  }
  i64 i = inside ? first + 4 * thread : end;
  const int AHEAD = 4; // quads that are loaded before the first is used
  for (i64 turn = 4 * team; quads && i + (AHEAD - 1) * turn + 4 <= end; i += AHEAD * turn) {
    float quad[AHEAD][4];
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
      i64 at = i + a * turn;
      load_quad(quad[a], row + (dense ? at : locate(folded, (u32)at)));
    }
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        sum[e] = combine<FOLD>(sum[e], quad[a][e]);
      }
    }
  }
  for (; i < end; i += 4 * team) {
    if (quads && i + 4 <= end) {
      float quad[4];
      load_quad(quad, row + (dense ? i : locate(folded, (u32)i)));
#pragma unroll
      for (int e = 0; e < 4; e++) {
        sum[e] = combine<FOLD>(sum[e], quad[e]);
      }
    } else {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        if (i + e < end) {
          i64 at = dense ? (i + e) * stride : locate(folded, (u32)(i + e));
          sum[e] = combine<FOLD>(sum[e], row[at]);
        }
      }
    }
  }
  float total = combine<FOLD>(combine<FOLD>(sum[0], sum[1]), combine<FOLD>(sum[2], sum[3]));
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) {
    total = combine<FOLD>(total, __shfl_xor_sync(0xffffffff, total, mask));
  }
  if (team > 32) {
    if (threadIdx.x % 32 == 0) {
      sums[threadIdx.x / 32] = total;
    }
    __syncthreads();
    u32 own = threadIdx.x / 32 - thread / 32;
    for (u32 warp = 1; warp < team / 32; warp++) {
      total = combine<FOLD>(total, sums[own + warp]);
    }
  }
  if (thread == 0 && inside) {
    to[part] = total;
  }
}

// Neighbouring results have neighbouring elements: 32 results side by side, 8 threads for each.
// Parts of the fold lie behind each other: [parts, results].
template <int FOLD>
__device__ inline void reduce_columns(
    float* to, const float* from, i64 part_length, const Walk& kept, const Walk& folded) {
  __shared__ float sums[8][32];
  u32 lane = threadIdx.x % 32;
  u32 row = threadIdx.x / 32;
  i64 result = (i64)blockIdx.x * 32 + lane;
  i64 first = blockIdx.y * part_length;
  i64 end = first + part_length < folded.count ? first + part_length : folded.count;
  float sum = identity<FOLD>();
  if (result < kept.count) {
    const float* column = from + locate(kept, (u32)result);
    if (folded.rank == 1) {
      i64 stride = folded.strides[0][0];
#pragma unroll 4
      for (i64 i = first + row; i < end; i += 8) {
        sum = combine<FOLD>(sum, column[i * stride]);
      }
    } else {
      for (i64 i = first + row; i < end; i += 8) {
        sum = combine<FOLD>(sum, column[locate(folded, (u32)i)]);
      }
    }
  }
  sums[row][lane] = sum;
  __syncthreads();
  for (u32 half = 4; half > 0; half /= 2) {
    if (row < half) {
      sums[row][lane] = combine<FOLD>(sums[row][lane], sums[row + half][lane]);
    }
    __syncthreads();
  }
  if (row == 0 && result < kept.count) {
    to[blockIdx.y * kept.count + result] = sums[0][lane];
  }
}

#define REDUCE(NAME, FOLD)                                                                         \
  KERNEL reduce_rows_##NAME##_f32(                                                                 \
      float* to,                                                                                   \
      const float* from,                                                                           \
      i64 team,                                                                                    \
      i64 parts,                                                                                   \
      i64 part_length,                                                                             \
      i64 runs,                                                                                    \
      Walk kept,                                                                                   \
      Walk folded) {                                                                               \
    reduce_rows<FOLD>(to, from, team, parts, part_length, runs, kept, folded);                     \
  }                                                                                                \
  KERNEL reduce_columns_##NAME##_f32(                                                              \
      float* to, const float* from, i64 part_length, Walk kept, Walk folded) {                     \
    reduce_columns<FOLD>(to, from, part_length, kept, folded);                                     \
  }

REDUCE(sum, SUM)
REDUCE(prod, PROD)
REDUCE(max, MAX)
REDUCE(min, MIN)

// Positions of extremes: the largest of keys that hold an element's rank and, for the first of
// equals, its position upside down. Partial results are keys, see reduce for where they lie.

// Above 0.
__device__ inline u32 rank_of(float x, bool least) {
  u32 bits = (u32)__float_as_int(x + 0.0f); // -0 is 0
  u32 rank = bits >> 31 ? ~bits : bits | 0x80000000;
  return is_nan(x) ? 0xffffffff : least ? ~rank : rank;
}

__device__ inline u64 key_of(u32 rank, u32 position) {
  return (u64)rank << 32 | ~position;
}

__device__ inline i64 position_of(u64 key) {
  return (u32)~key;
}

// Largest key among threads of a team, for its first ones, as many as width. Teams are powers of two.
__device__ inline u64 largest_key(u64 key, u32 team, u32 width) {
  __shared__ u64 keys[256];
  u32 thread = threadIdx.x % team;
  keys[threadIdx.x] = key;
  __syncthreads();
  for (u32 half = team / 2; half >= width; half /= 2) {
    if (thread < half && keys[threadIdx.x + half] > keys[threadIdx.x]) {
      keys[threadIdx.x] = keys[threadIdx.x + half];
    }
    __syncthreads();
  }
  return keys[threadIdx.x];
}

KERNEL arg_rows_f32(
    i64* to,
    const float* from,
    i64 least,
    i64 team,
    i64 parts,
    i64 part_length,
    i64 runs,
    Walk kept,
    Walk folded) {
  u32 thread = threadIdx.x % (u32)team;
  i64 part = blockIdx.x * (blockDim.x / team) + threadIdx.x / (u32)team;
  bool inside = part < kept.count * parts;
  i64 first = part % parts * part_length;
  i64 end = first + part_length < folded.count ? first + part_length : folded.count;
  const float* row = from + (inside ? locate(kept, (u32)(part / parts)) : 0);
  bool quads = runs && are_aligned((u64)from);
  i64 stride = folded.strides[0][0];
  u32 rank = 0;
  u32 position = 0;
  auto take = [&](float x, i64 at) {
    u32 other = rank_of(x, least);
    position = other > rank ? (u32)at : position;
    rank = other > rank ? other : rank;
  };
  i64 i = inside ? first + 4 * thread : end;
  const int AHEAD = 4; // quads that are loaded before the first is used
  for (i64 turn = 4 * team; quads && i + (AHEAD - 1) * turn + 4 <= end; i += AHEAD * turn) {
    float quad[AHEAD][4];
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
      load_quad(quad[a], row + i + a * turn);
    }
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
#pragma unroll
      for (int e = 0; e < 4; e++) {
        take(quad[a][e], i + a * turn + e);
      }
    }
  }
  for (; i < end; i += 4 * team) {
    for (int e = 0; e < 4 && i + e < end; e++) {
      take(row[(i + e) * stride], i + e);
    }
  }
  u64 best = rank > 0 ? key_of(rank, position) : 0;
  best = largest_key(best, (u32)team, 1);
  if (thread == 0 && inside) {
    to[part] = parts == 1 ? position_of(best) : (i64)best;
  }
}

KERNEL arg_columns_f32(
    i64* to, const float* from, i64 least, i64 part_length, Walk kept, Walk folded) {
  i64 result = (i64)blockIdx.x * 32 + threadIdx.x % 32;
  i64 first = blockIdx.y * part_length;
  i64 end = first + part_length < folded.count ? first + part_length : folded.count;
  i64 stride = folded.strides[0][0];
  u64 best = 0;
  if (result < kept.count) {
    const float* column = from + locate(kept, (u32)result);
#pragma unroll 4
    for (i64 i = first + threadIdx.x / 32; i < end; i += 8) {
      u64 key = key_of(rank_of(column[i * stride], least), (u32)i);
      best = key > best ? key : best;
    }
  }
  best = largest_key(best, blockDim.x, 32);
  if (threadIdx.x < 32 && result < kept.count) {
    to[blockIdx.y * kept.count + result] = gridDim.y == 1 ? position_of(best) : (i64)best;
  }
}

// The position among the parts of a result.
KERNEL arg_parts(i64* to, const u64* keys, i64 parts, i64 between_results, i64 between_parts) {
  u64 best = 0;
  for (i64 part = threadIdx.x; part < parts; part += blockDim.x) {
    u64 key = keys[blockIdx.x * between_results + part * between_parts];
    best = key > best ? key : best;
  }
  best = largest_key(best, blockDim.x, 1);
  if (threadIdx.x == 0) {
    to[blockIdx.x] = position_of(best);
  }
}

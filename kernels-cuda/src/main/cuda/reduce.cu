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

// Four neighbouring columns of a thread, and rows between those that it takes in turn.
const int QUAD = 4;
const int LINES = 8;
const int WIDE = 32 * QUAD; // columns of a block

// f(elements, row) for a thread's columns and rows. While it works on some, the next are loaded.
template <typename F>
__device__ inline void each_quad(const float* from, i64 first, i64 end, i64 stride, F f) {
  const int AHEAD = 4;
  const int LAST = (AHEAD - 1) * LINES;
  i64 i = first;
  if (are_aligned((u64)from) && i + LAST < end) {
    float quads[AHEAD][QUAD];
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
      load_quad(quads[a], from + (i + a * LINES) * stride);
    }
    for (; i + AHEAD * LINES + LAST < end; i += AHEAD * LINES) {
#pragma unroll
      for (int a = 0; a < AHEAD; a++) {
        f(quads[a], i + a * LINES);
        load_quad(quads[a], from + (i + (AHEAD + a) * LINES) * stride);
      }
    }
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
      f(quads[a], i + a * LINES);
    }
    i += AHEAD * LINES;
  }
#pragma unroll 1
  for (; i < end; i += LINES) {
    float quad[QUAD];
#pragma unroll
    for (int e = 0; e < QUAD; e++) {
      quad[e] = from[i * stride + e];
    }
    f(quad, i);
  }
}

// As reduce_columns with four neighbouring results for each thread, which lie at multiples of four, and
// one folded dimension.
template <int FOLD>
__device__ inline void reduce_wide_columns(
    float* to, const float* from, i64 part_length, const Walk& kept, const Walk& folded) {
  __shared__ float sums[LINES][WIDE];
  u32 lane = threadIdx.x % 32;
  u32 line = threadIdx.x / 32;
  i64 block = (i64)blockIdx.x * WIDE;
  i64 result = block + QUAD * lane;
  i64 first = blockIdx.y * part_length;
  i64 end = first + part_length < folded.count ? first + part_length : folded.count;
  float sum[QUAD];
#pragma unroll
  for (int e = 0; e < QUAD; e++) {
    sum[e] = identity<FOLD>();
  }
  if (result < kept.count) {
    const float* column = from + locate(kept, (u32)result);
    each_quad(column, first + line, end, folded.strides[0][0], [&](float* quad, i64) {
#pragma unroll
      for (int e = 0; e < QUAD; e++) {
        sum[e] = combine<FOLD>(sum[e], quad[e]);
      }
    });
  }
#pragma unroll
  for (int e = 0; e < QUAD; e++) {
    sums[line][QUAD * lane + e] = sum[e];
  }
  __syncthreads();
  u32 column = threadIdx.x;
  if (column < WIDE && block + column < kept.count) {
    float total = sums[0][column];
#pragma unroll
    for (int other = 1; other < LINES; other++) {
      total = combine<FOLD>(total, sums[other][column]);
    }
    to[blockIdx.y * kept.count + block + column] = total;
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
  }                                                                                                \
  KERNEL reduce_wide_columns_##NAME##_f32(                                                         \
      float* to, const float* from, i64 part_length, Walk kept, Walk folded) {                     \
    reduce_wide_columns<FOLD>(to, from, part_length, kept, folded);                                \
  }

REDUCE(sum, SUM)
REDUCE(prod, PROD)
REDUCE(max, MAX)
REDUCE(min, MIN)

// Positions of extremes: the largest of keys that hold an element's rank and, for the first of
// equals, its position upside down. Partial results are keys, see reduce for where they lie. For the
// least of elements, they are negated.

__device__ inline u64 key_of(u32 rank, u32 position) {
  return (u64)rank << 32 | ~position;
}

// Above 0.
__device__ inline u64 key_of(float x, u32 position) {
  u32 bits = (u32)__float_as_int(x + 0.0f); // -0 is 0
  return key_of(is_nan(x) ? 0xffffffff : bits >> 31 ? ~bits : bits | 0x80000000, position);
}

__device__ inline i64 position_of(u64 key) {
  return (u32)~key;
}

__device__ inline bool has_nan(const float* quad) {
  return is_nan(quad[0]) || is_nan(quad[1]) || is_nan(quad[2]) || is_nan(quad[3]);
}

// The first of the largest of elements that are taken in turn. Of four in a row those with the largest
// are kept, so that only one of them is looked for in the end.
struct Extreme {
  static const u32 NONE = 0xffffffff;

  u32 sign; // that is changed
  float most;
  float quad[4];
  u32 position; // of the first of the quad
  u32 first_nan;

  __device__ Extreme(i64 least, i64 first) {
    sign = least ? 0x80000000 : 0;
    most = __int_as_float((int)0xff800000);
    quad[0] = quad[1] = quad[2] = quad[3] = most;
    position = (u32)first;
    first_nan = NONE;
  }

  __device__ float turned(float x) const {
    return __int_as_float((int)((u32)__float_as_int(x) ^ sign));
  }

  __device__ void take_nan(float x, i64 at) {
    first_nan = is_nan(x) && (u32)at < first_nan ? (u32)at : first_nan;
  }

  // Without a look at NaN.
  __device__ void take(float x, i64 at) {
    x = turned(x);
    bool more = x > most;
    most = more ? x : most;
    quad[0] = more ? x : quad[0];
    position = more ? (u32)at : position;
  }

  __device__ void take_quad(const float* from, i64 at) {
    float x[4] = {turned(from[0]), turned(from[1]), turned(from[2]), turned(from[3])};
    float largest = fmaxf(fmaxf(x[0], x[1]), fmaxf(x[2], x[3]));
    bool more = largest > most;
    most = more ? largest : most;
    position = more ? (u32)at : position;
#pragma unroll
    for (int e = 0; e < 4; e++) {
      quad[e] = more ? x[e] : quad[e];
    }
    if (has_nan(from)) {
      for (int e = 0; e < 4; e++) {
        take_nan(from[e], at + e);
      }
    }
  }

  __device__ u64 key() const {
    if (first_nan != NONE) {
      return key_of(0xffffffff, first_nan);
    }
    u32 e = quad[0] == most ? 0 : quad[1] == most ? 1 : quad[2] == most ? 2 : 3;
    return key_of(most, position + e);
  }
};

__device__ inline u64 larger_key(u64 x, u64 y) {
  return x > y ? x : y;
}

// Largest key among threads of a team of whole warps, for its first one.
__device__ inline u64 largest_key(u64 key, u32 team) {
  __shared__ u64 keys[8];
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) {
    key = larger_key(key, __shfl_xor_sync(0xffffffff, key, mask));
  }
  if (team > 32) {
    u32 warp = threadIdx.x / 32;
    if (threadIdx.x % 32 == 0) {
      keys[warp] = key;
    }
    __syncthreads();
    for (u32 other = 1; other < team / 32; other++) {
      key = larger_key(key, keys[(warp + other) % 8]);
    }
  }
  return key;
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
  i64 i = inside ? first + 4 * thread : end;
  bool any = i < end;
  Extreme extreme(least, i);
  const int AHEAD = 4; // quads that are loaded before the first is used
  for (i64 turn = 4 * team; quads && i + (AHEAD - 1) * turn + 4 <= end; i += AHEAD * turn) {
    float quad[AHEAD][4];
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
      load_quad(quad[a], row + i + a * turn);
    }
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
      extreme.take_quad(quad[a], i + a * turn);
    }
  }
  for (; i < end; i += 4 * team) {
    for (int e = 0; e < 4 && i + e < end; e++) {
      float x = row[(i + e) * stride];
      extreme.take(x, i + e);
      extreme.take_nan(x, i + e);
    }
  }
  u64 best = largest_key(any ? extreme.key() : 0, (u32)team);
  if (thread == 0 && inside) {
    to[part] = parts == 1 ? position_of(best) : (i64)best;
  }
}

KERNEL arg_columns_f32(
    i64* to, const float* from, i64 least, i64 part_length, Walk kept, Walk folded) {
  __shared__ u64 keys[LINES][32];
  u32 lane = threadIdx.x % 32;
  u32 line = threadIdx.x / 32;
  i64 result = (i64)blockIdx.x * 32 + lane;
  i64 first = blockIdx.y * part_length + line;
  i64 end = first - line + part_length < folded.count ? first - line + part_length : folded.count;
  i64 stride = folded.strides[0][0];
  Extreme extreme(least, first);
  if (result < kept.count) {
    const float* column = from + locate(kept, (u32)result);
#pragma unroll 4
    for (i64 i = first; i < end; i += LINES) {
      float x = column[i * stride];
      extreme.take(x, i);
      extreme.take_nan(x, i);
    }
  }
  keys[line][lane] = first < end ? extreme.key() : 0;
  __syncthreads();
  if (line == 0 && result < kept.count) {
    u64 best = keys[0][lane];
#pragma unroll
    for (int other = 1; other < LINES; other++) {
      best = larger_key(best, keys[other][lane]);
    }
    to[blockIdx.y * kept.count + result] = gridDim.y == 1 ? position_of(best) : (i64)best;
  }
}

// As arg_columns with four neighbouring results for each thread, which lie at multiples of four.
KERNEL arg_wide_columns_f32(
    i64* to, const float* from, i64 least, i64 part_length, Walk kept, Walk folded) {
  __shared__ u64 keys[LINES][WIDE];
  u32 lane = threadIdx.x % 32;
  u32 line = threadIdx.x / 32;
  i64 block = (i64)blockIdx.x * WIDE;
  i64 result = block + QUAD * lane;
  i64 first = blockIdx.y * part_length + line;
  i64 end = first - line + part_length < folded.count ? first - line + part_length : folded.count;
  Extreme extremes[QUAD] = {{least, first}, {least, first}, {least, first}, {least, first}};
  if (result < kept.count) {
    const float* column = from + locate(kept, (u32)result);
    each_quad(column, first, end, folded.strides[0][0], [&](float* quad, i64 i) {
#pragma unroll
      for (int e = 0; e < QUAD; e++) {
        extremes[e].take(quad[e], i);
      }
      if (has_nan(quad)) {
        for (int e = 0; e < QUAD; e++) {
          extremes[e].take_nan(quad[e], i);
        }
      }
    });
  }
#pragma unroll
  for (int e = 0; e < QUAD; e++) {
    keys[line][e * 32 + lane] = first < end ? extremes[e].key() : 0;
  }
  __syncthreads();
  u32 column = threadIdx.x;
  if (column < WIDE && block + column < kept.count) {
    u32 at = column % QUAD * 32 + column / QUAD;
    u64 best = keys[0][at];
#pragma unroll
    for (int other = 1; other < LINES; other++) {
      best = larger_key(best, keys[other][at]);
    }
    to[blockIdx.y * kept.count + block + column] =
        gridDim.y == 1 ? position_of(best) : (i64)best;
  }
}

// The position among the parts of a result.
KERNEL arg_parts(i64* to, const u64* keys, i64 parts, i64 between_results, i64 between_parts) {
  u64 best = 0;
  for (i64 part = threadIdx.x; part < parts; part += blockDim.x) {
    best = larger_key(best, keys[blockIdx.x * between_results + part * between_parts]);
  }
  best = largest_key(best, blockDim.x);
  if (threadIdx.x == 0) {
    to[blockIdx.x] = position_of(best);
  }
}

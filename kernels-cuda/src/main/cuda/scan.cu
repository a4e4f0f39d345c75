// Running sums and orders, lane by lane along an axis of [outer, length, inner].
#include "quads.cuh"

struct Lanes {
  i64 count;
  i64 length;
  i64 inner;
};

// Index of a lane's first element, where lanes have that many elements.
__device__ inline i64 lane_start(const Lanes& lanes, i64 lane, i64 length) {
  i64 outer = lane / lanes.inner;
  return outer * length * lanes.inner + (lane - outer * lanes.inner);
}

const int SCAN_WARPS = 8;
const int SCAN_THREADS = 32 * SCAN_WARPS;
const u32 ALL = 0xffffffff;

// One lane in the order in which it is added.
template <typename T>
struct Line {
  T* first;
  i64 step;
  bool aligned; // quads, next to each other

  __device__ Line(T* data, const Lanes& lanes, i64 lane, i64 reverse)
      : first(data + lane_start(lanes, lane, lanes.length)), step(lanes.inner) {
    if (reverse) {
      first += (lanes.length - 1) * step;
      step = -step;
    }
    aligned = lanes.inner == 1 && are_aligned((u64)(reverse ? first - 3 : first));
  }

  // Quads that are 128 elements apart, from `at` on; their elements before the end.
  template <int QUADS>
  __device__ void load(float (&quads)[QUADS][4], i64 at, i64 end) const {
    if (aligned && at + (QUADS - 1) * 128 + 4 <= end) {
#pragma unroll
      for (int i = 0; i < QUADS; i++) {
        load_quad(quads[i], quad(at + i * 128));
      }
      if (step < 0) {
        turn(quads);
      }
      return;
    }
#pragma unroll
    for (int i = 0; i < 4 * QUADS; i++) {
      i64 index = at + i / 4 * 128 + i % 4;
      quads[i / 4][i % 4] = index < end ? first[index * step] : 0;
    }
  }

  template <int QUADS>
  __device__ void store(float (&quads)[QUADS][4], i64 at, i64 end) const {
    if (aligned && at + (QUADS - 1) * 128 + 4 <= end) {
      if (step < 0) {
        turn(quads);
      }
#pragma unroll
      for (int i = 0; i < QUADS; i++) {
        store_quad(quad(at + i * 128), quads[i]);
      }
      return;
    }
#pragma unroll
    for (int i = 0; i < 4 * QUADS; i++) {
      i64 index = at + i / 4 * 128 + i % 4;
      if (index < end) {
        first[index * step] = quads[i / 4][i % 4];
      }
    }
  }

  __device__ T* quad(i64 at) const {
    return step < 0 ? first - at - 3 : first + at;
  }

  template <int QUADS>
  __device__ static void turn(float (&quads)[QUADS][4]) {
#pragma unroll
    for (int i = 0; i < 2 * QUADS; i++) {
      float& low = quads[i / 2][i % 2];
      float& high = quads[i / 2][3 - i % 2];
      float kept = low;
      low = high;
      high = kept;
    }
  }
};

// Part of a lane, of which each has as many.
struct Part {
  i64 lane, first, end;

  __device__ Part(const Lanes& lanes, i64 index, i64 parts, i64 length) {
    lane = index / parts;
    first = (index - lane * parts) * length;
    end = first + length < lanes.length ? first + length : lanes.length;
  }
};

// The sum of the values of the lanes of a warp before this one; `total` grows by that of all.
__device__ inline float warp_before(float value, float& total) {
  int self = threadIdx.x % 32;
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    float other = __shfl_up_sync(ALL, value, distance);
    value = self >= distance ? other + value : value;
  }
  float before = __shfl_up_sync(ALL, value, 1);
  before = self == 0 ? total : total + before;
  total += __shfl_sync(ALL, value, 31);
  return before;
}

// The sum of the values of the warps before this one; `total` grows by that of all.
__device__ inline float block_before(float value, float& total) {
  __shared__ float values[SCAN_WARPS];
  if (threadIdx.x % 32 == 0) {
    values[threadIdx.x / 32] = value;
  }
  __syncthreads();
  float before = total;
#pragma unroll
  for (int warp = 0; warp < SCAN_WARPS; warp++) {
    before = warp == threadIdx.x / 32 ? total : before;
    total += values[warp];
  }
  __syncthreads();
  return before;
}

// Where the first of QUADS quads of a thread is among those of so many warps.
template <int WARPS, int QUADS>
__device__ inline int place_of_thread() {
  return threadIdx.x / 32 % WARPS * QUADS * 128 + threadIdx.x % 32 * 4;
}

// So many warps go along one part of one lane, QUADS quads of each thread at a time. Parts start
// with what `starts` has for them, if anything. Warps without a part go along the first one.
template <int WARPS, int QUADS>
__device__ inline void cum_sum(
    float* to,
    const float* from,
    const float* starts,
    const Lanes& lanes,
    i64 parts,
    i64 part_length,
    i64 exclusive,
    i64 reverse) {
  i64 index = ((i64)blockIdx.x * SCAN_THREADS + threadIdx.x) / (32 * WARPS);
  bool exists = index < lanes.count * parts;
  index = exists ? index : 0;
  Part part(lanes, index, parts, part_length);
  Line<const float> input(from, lanes, part.lane, reverse);
  Line<float> output(to, lanes, part.lane, reverse);
  float sum = starts ? starts[index] : 0.0f;
  for (i64 first = part.first; first < part.end; first += WARPS * QUADS * 128) {
    i64 at = first + place_of_thread<WARPS, QUADS>();
    float items[QUADS][4];
    float before[QUADS];
    input.load(items, at, part.end);
    float own = 0;
#pragma unroll
    for (int i = 0; i < QUADS; i++) {
      before[i] = warp_before(items[i][0] + items[i][1] + items[i][2] + items[i][3], own);
    }
    float base = sum;
    if (WARPS > 1) {
      base = block_before(own, sum);
    } else {
      sum += own;
    }
#pragma unroll
    for (int i = 0; i < QUADS; i++) {
      float running = base + before[i];
#pragma unroll
      for (int k = 0; k < 4; k++) {
        float next = running + items[i][k];
        items[i][k] = exclusive ? running : next;
        running = next;
      }
    }
    output.store(items, at, exists ? part.end : 0);
  }
}

#define CUM_SUM(NAME, WARPS, QUADS)                                                                \
  KERNEL __launch_bounds__(SCAN_THREADS, 3) NAME(                                                  \
      float* to,                                                                                   \
      const float* from,                                                                           \
      const float* starts,                                                                         \
      Lanes lanes,                                                                                 \
      i64 parts,                                                                                   \
      i64 part_length,                                                                             \
      i64 exclusive,                                                                               \
      i64 reverse) {                                                                               \
    cum_sum<WARPS, QUADS>(                                                                         \
        to, from, starts, lanes, parts, part_length, exclusive, reverse);                          \
  }

CUM_SUM(cum_sum_f32, 8, 8)
CUM_SUM(cum_sum_rows_f32, 1, 8)
CUM_SUM(cum_sum_short_rows_f32, 1, 1)

// A float that one block tells others, in one word with the bit that says so.
__device__ inline void tell(volatile u64* word, float value) {
  *word = 1ULL << 32 | (u32)__float_as_int(value);
}

__device__ inline float awaited(const volatile u64* word) {
  u64 told = *word;
  while (told >> 32 == 0) {
    told = *word;
  }
  return __int_as_float((int)(u32)told);
}

// What blocks tell each other, before they do.
KERNEL clear_words(u64* words, i64 count) {
  if (thread_index() < count) {
    words[thread_index()] = 0;
  }
}

// A block for each part of a lane, in the order in which blocks begin, so that it waits only for such
// as have begun. A part starts with the sum of all groups of SCAN_THREADS parts before its own, and
// those of the parts of its group, in which order no chance has a say. Words: how many blocks have
// begun, the sum of each part, and what each group of a lane starts with.
KERNEL __launch_bounds__(SCAN_THREADS, 3) cum_sum_chained_f32(
    float* to, const float* from, u64* words, Lanes lanes, i64 parts, i64 exclusive, i64 reverse) {
  const int QUADS = 8;
  const i64 LENGTH = SCAN_THREADS * 4 * QUADS;
  __shared__ u32 begun;
  if (threadIdx.x == 0) {
    begun = atomicAdd((u32*)words, 1);
  }
  __syncthreads();
  i64 index = begun;
  Part part(lanes, index, parts, LENGTH);
  i64 at = part.first + place_of_thread<SCAN_WARPS, QUADS>();
  float items[QUADS][4];
  float before[QUADS];
  Line<const float>(from, lanes, part.lane, reverse).load(items, at, part.end);
  float own = 0;
#pragma unroll
  for (int i = 0; i < QUADS; i++) {
    before[i] = warp_before(items[i][0] + items[i][1] + items[i][2] + items[i][3], own);
  }
  float sum = 0;
  float base = block_before(own, sum);

  i64 number = index - part.lane * parts;
  i64 group = number / SCAN_THREADS;
  int place = (int)(number % SCAN_THREADS);
  u64* sums = words + 1;
  u64* starts = sums + lanes.count * parts
      + part.lane * ((parts + SCAN_THREADS - 1) / SCAN_THREADS);
  if (threadIdx.x == 0) {
    tell(sums + index, sum);
  }
  float earlier = (int)threadIdx.x < place ? awaited(sums + index - place + threadIdx.x) : 0;
  float of_warp = 0;
  warp_before(earlier, of_warp);
  float of_group = 0;
  block_before(of_warp, of_group);
  float start = group > 0 ? awaited(starts + group) : 0;
  if (threadIdx.x == 0 && place == SCAN_THREADS - 1 && number + 1 < parts) {
    tell(starts + group + 1, start + (of_group + sum));
  }

  base += start + of_group;
#pragma unroll
  for (int i = 0; i < QUADS; i++) {
    float running = base + before[i];
#pragma unroll
    for (int k = 0; k < 4; k++) {
      float next = running + items[i][k];
      items[i][k] = exclusive ? running : next;
      running = next;
    }
  }
  Line<float>(to, lanes, part.lane, reverse).store(items, at, part.end);
}

// A thread goes along a lane; neighbouring lanes lie side by side.
KERNEL cum_sum_lanes_f32(float* to, const float* from, Lanes lanes, i64 exclusive, i64 reverse) {
  u32 lane = thread_index();
  if (lane >= lanes.count) {
    return;
  }
  i64 at = lane_start(lanes, lane, lanes.length);
  i64 step = lanes.inner;
  if (reverse) {
    at += (lanes.length - 1) * step;
    step = -step;
  }
  float sum = 0;
  i64 i = 0;
  for (; i + 8 <= lanes.length; i += 8) {
    float items[8];
#pragma unroll
    for (int j = 0; j < 8; j++) {
      items[j] = from[at + j * step];
    }
#pragma unroll
    for (int j = 0; j < 8; j++, at += step) {
      float next = sum + items[j];
      to[at] = exclusive ? sum : next;
      sum = next;
    }
  }
  for (; i < lanes.length; i++, at += step) {
    float next = sum + from[at];
    to[at] = exclusive ? sum : next;
    sum = next;
  }
}

const int COLUMN_WARPS = 16;
const int COLUMN_ROWS = 16; // of a warp at once

// The elements of a lane from `at` on, and 0 beyond its end.
__device__ inline void load_column(
    float (&items)[COLUMN_ROWS], const float* from, i64 at, i64 length, i64 step) {
  const float* item = from + at * step;
#pragma unroll
  for (int j = 0; j < COLUMN_ROWS; j++) {
    items[j] = at + j < length ? item[j * step] : 0;
  }
}

// A block goes along 32 lanes side by side, of which each of its warps has some rows at a time. What
// comes next is loaded while sums are made.
KERNEL __launch_bounds__(32 * COLUMN_WARPS, 2) cum_sum_columns_f32(
    float* to, const float* from, Lanes lanes, i64 exclusive, i64 reverse) {
  __shared__ float sums[2][COLUMN_WARPS][32];
  int column = threadIdx.x % 32;
  int warp = threadIdx.x / 32;
  i64 lane = (i64)blockIdx.x * 32 + column;
  i64 length = lane < lanes.count ? lanes.length : 0;
  i64 start = length > 0 ? lane_start(lanes, lane, length) : 0;
  i64 step = lanes.inner;
  if (reverse) {
    start += (length > 0 ? length - 1 : 0) * step;
    step = -step;
  }
  from += start;
  to += start;
  float sum = 0;
  int turn = 0;
  i64 at = warp * COLUMN_ROWS;
  float next[COLUMN_ROWS];
  load_column(next, from, at, length, step);
  for (i64 first = 0; first < lanes.length; first += COLUMN_WARPS * COLUMN_ROWS) {
    float items[COLUMN_ROWS];
    float own = 0;
#pragma unroll
    for (int j = 0; j < COLUMN_ROWS; j++) {
      items[j] = next[j];
      own += items[j];
    }
    load_column(next, from, at + COLUMN_WARPS * COLUMN_ROWS, length, step);
    // Two tables in turn: one is written again when all have passed the barrier of the other.
    sums[turn][warp][column] = own;
    __syncthreads();
    float running = sum;
#pragma unroll
    for (int i = 0; i < COLUMN_WARPS; i++) {
      running = i == warp ? sum : running;
      sum += sums[turn][i][column];
    }
    turn ^= 1;
    float* item = to + at * step;
#pragma unroll
    for (int j = 0; j < COLUMN_ROWS; j++) {
      float after = running + items[j];
      if (at + j < length) {
        item[j * step] = exclusive ? running : after;
      }
      running = after;
    }
    at += COLUMN_WARPS * COLUMN_ROWS;
  }
}

// Puts two numbers of a row in the order that a bitonic network wants: runs of `run` go up and down
// in turn.
__device__ inline void in_order(u64& low, u64& high, u32 place, u32 run) {
  if ((low > high) == ((place & run) == 0)) {
    u64 swapped = low;
    low = high;
    high = swapped;
  }
}

// Place of the first of a pair: `distance` is a power of two.
__device__ inline u32 first_of_pair(u32 pair, u32 distance) {
  return 2 * pair - (pair & (distance - 1));
}

// Sorts pairs at the distances that are in reach of a tile, for runs of `first_run` to `last_run`.
template <int TILE>
__device__ inline void sort_tiles(u64* entries, u32 count, u32 n, u32 first_run, u32 last_run) {
  __shared__ u64 tile[TILE];
  u64* from = entries + (i64)blockIdx.x * count;
  u32 place = (u32)((i64)blockIdx.x * count & (n - 1));
  for (u32 i = threadIdx.x; i < count; i += blockDim.x) {
    tile[i] = from[i];
  }
  __syncthreads();
  for (u32 run = first_run; run <= last_run; run *= 2) {
    for (u32 distance = (run < count ? run : count) / 2; distance > 0; distance /= 2) {
      for (u32 pair = threadIdx.x; pair < count / 2; pair += blockDim.x) {
        u32 i = first_of_pair(pair, distance);
        in_order(tile[i], tile[i + distance], place + i, run);
      }
      __syncthreads();
    }
  }
  for (u32 i = threadIdx.x; i < count; i += blockDim.x) {
    from[i] = tile[i];
  }
}

KERNEL sort_tiles_512(
    u64* entries, i64 start, i64 count, i64 n, i64 first_run, i64 last_run) {
  sort_tiles<512>(entries + start, (u32)count, (u32)n, (u32)first_run, (u32)last_run);
}

KERNEL sort_tiles_4096(
    u64* entries, i64 start, i64 count, i64 n, i64 first_run, i64 last_run) {
  sort_tiles<4096>(entries + start, (u32)count, (u32)n, (u32)first_run, (u32)last_run);
}

// Pairs that are further apart.
KERNEL sort_step(u64* entries, i64 start, i64 pairs, i64 n, i64 run, i64 distance) {
  u32 pair = thread_index();
  if (pair < pairs) {
    entries += start;
    u32 i = first_of_pair(pair, (u32)distance);
    u64 low = entries[i];
    u64 high = entries[i + distance];
    in_order(low, high, i & (u32)(n - 1), (u32)run);
    entries[i] = low;
    entries[i + distance] = high;
  }
}

// Entries that compare as the floats of a lane do, with the position below: NaN is larger than all,
// zeros are equal.
KERNEL order_entries_f32(u64* entries, i64 n, const float* from, Lanes lanes, i64 descending) {
  u32 i = thread_index();
  u32 lane = i / (u32)n;
  u32 position = i & (u32)(n - 1);
  if (lane >= lanes.count) {
    return;
  }
  u64 entry = ~0ULL;
  if (position < lanes.length) {
    float x = from[lane_start(lanes, lane, lanes.length) + position * lanes.inner] + 0.0f;
    int bits = __float_as_int(x);
    u32 key = is_nan(x) ? ~0u : (u32)(bits ^ (bits >> 31 | (int)0x80000000));
    entry = (u64)(descending ? ~key : key) << 32 | position;
  }
  entries[i] = entry;
}

// The first entries of each lane, without their keys, behind the sorted ones: `kept` for each lane
// of which `count` are wanted.
KERNEL order_positions(u64* entries, i64 n, i64 kept, i64 lanes, i64 count) {
  u32 i = thread_index();
  u32 lane = i / (u32)kept;
  u32 place = i - lane * (u32)kept;
  if (lane < lanes) {
    entries[lanes * n + i] = place < count ? (u32)entries[lane * n + place] : ~0ULL;
  }
}

// The values and positions of the first `count` entries of each lane.
KERNEL order_values_f32(
    float* values,
    i64* positions,
    const float* from,
    const u64* entries,
    i64 start,
    i64 n,
    Lanes lanes,
    i64 count) {
  u32 i = thread_index();
  u32 inner = (u32)lanes.inner;
  if (i >= lanes.count * count) {
    return;
  }
  u32 row = i / inner;
  u32 outer = row / (u32)count;
  u32 lane = outer * inner + (i - row * inner);
  u32 position = (u32)entries[start + lane * n + (row - outer * (u32)count)];
  values[i] = from[lane_start(lanes, lane, lanes.length) + position * lanes.inner];
  positions[i] = position;
}

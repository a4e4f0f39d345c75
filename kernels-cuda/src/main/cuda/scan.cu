// Running sums and orders, lane by lane along an axis of [outer, length, inner].
#include "quern.cuh"

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

const int SCAN_THREADS = 256;
const int SCAN_ITEMS = 8;
const int SCAN_TILE = SCAN_THREADS * SCAN_ITEMS;

// Element number i in shared memory, such that threads reach for runs of 8 in different banks.
__device__ inline int banked(int i) {
  return i + i / SCAN_ITEMS;
}

// The sum of the values of the threads before this one; all threads get that of all in `total`.
__device__ inline float sum_before(float value, float& total) {
  __shared__ float sums[2][SCAN_THREADS];
  int self = threadIdx.x;
  int side = 0;
  sums[0][self] = value;
  __syncthreads();
  for (int distance = 1; distance < SCAN_THREADS; distance *= 2) {
    float sum = sums[side][self];
    if (self >= distance) {
      sum = sums[side][self - distance] + sum;
    }
    side ^= 1;
    sums[side][self] = sum;
    __syncthreads();
  }
  total = sums[side][SCAN_THREADS - 1];
  float before = self == 0 ? 0.0f : sums[side][self - 1];
  __syncthreads();
  return before;
}

// A block goes along one part of one lane. Parts start with what `starts` has for them, if anything.
KERNEL cum_sum_f32(
    float* to,
    const float* from,
    const float* starts,
    Lanes lanes,
    i64 parts,
    i64 part_length,
    i64 exclusive,
    i64 reverse) {
  __shared__ float tile[SCAN_TILE + SCAN_THREADS];
  i64 part = blockIdx.x % parts;
  i64 first = part * part_length;
  i64 end = first + part_length < lanes.length ? first + part_length : lanes.length;
  i64 start = lane_start(lanes, blockIdx.x / parts, lanes.length);
  i64 step = lanes.inner;
  if (reverse) {
    start += (lanes.length - 1) * step;
    step = -step;
  }
  float sum = starts ? starts[blockIdx.x] : 0.0f;
  for (; first < end; first += SCAN_TILE) {
    int count = end - first < SCAN_TILE ? (int)(end - first) : SCAN_TILE;
#pragma unroll
    for (int i = 0; i < SCAN_ITEMS; i++) {
      int at = i * SCAN_THREADS + threadIdx.x;
      tile[banked(at)] = at < count ? from[start + (first + at) * step] : 0.0f;
    }
    __syncthreads();
    float items[SCAN_ITEMS];
    float own = 0;
#pragma unroll
    for (int i = 0; i < SCAN_ITEMS; i++) {
      items[i] = tile[banked(threadIdx.x * SCAN_ITEMS + i)];
      own += items[i];
    }
    float total;
    float running = sum + sum_before(own, total);
#pragma unroll
    for (int i = 0; i < SCAN_ITEMS; i++) {
      float next = running + items[i];
      tile[banked(threadIdx.x * SCAN_ITEMS + i)] = exclusive ? running : next;
      running = next;
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < SCAN_ITEMS; i++) {
      int at = i * SCAN_THREADS + threadIdx.x;
      if (at < count) {
        to[start + (first + at) * step] = tile[banked(at)];
      }
    }
    sum += total;
    __syncthreads();
  }
}

// The sums of the parts of lanes, [lanes, parts].
KERNEL part_sums_f32(
    float* to, const float* from, Lanes lanes, i64 parts, i64 part_length, i64 reverse) {
  i64 part = blockIdx.x % parts;
  i64 first = part * part_length;
  i64 end = first + part_length < lanes.length ? first + part_length : lanes.length;
  i64 start = lane_start(lanes, blockIdx.x / parts, lanes.length);
  i64 step = lanes.inner;
  if (reverse) {
    start += (lanes.length - 1) * step;
    step = -step;
  }
  float sum = 0;
#pragma unroll 4
  for (i64 i = first + threadIdx.x; i < end; i += SCAN_THREADS) {
    sum += from[start + i * step];
  }
  float total;
  sum_before(sum, total);
  if (threadIdx.x == 0) {
    to[blockIdx.x] = total;
  }
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

// Orders along an axis of [outer, length, inner]: short lanes sorted in registers, and the first few
// of long ones. An entry is a number that compares as its element does, with the position below, so
// that entries differ; the largest number stands for none.
#include "quads.cuh"

const u64 NONE = ~0ULL;

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

// NaN is larger than all, zeros are equal.
__device__ inline u64 entry_of(float x, u32 position, bool descending) {
  int bits = __float_as_int(x + 0.0f);
  u32 key = is_nan(x) ? ~0u : (u32)(bits ^ (bits >> 31 | (int)0x80000000));
  return (u64)(descending ? ~key : key) << 32 | position;
}

// The float of an entry, but for the sign of 0 and the bits of NaN.
__device__ inline float float_of(u64 entry, bool descending) {
  u32 key = (u32)(entry >> 32);
  key = descending ? ~key : key;
  return __int_as_float((int)(key >> 31 ? key ^ 0x80000000 : ~key));
}

// Place of the first of a pair: `distance` is a power of two.
__device__ inline u32 first_of_pair(u32 pair, u32 distance) {
  return 2 * pair - (pair & (distance - 1));
}

// Networks of Batcher 1968 whose runs all go up: the first step of a merge compares what lies
// mirrored, the others what lies at a distance.

__device__ inline void in_order(u64& low, u64& high) {
  u64 least = low < high ? low : high;
  high = low < high ? high : low;
  low = least;
}

// Steps from a distance down to 1 among the entries of a thread.
template <int ITEMS, int FIRST>
__device__ inline void merge_own(u64 (&items)[ITEMS]) {
#pragma unroll
  for (int distance = FIRST; distance > 0; distance /= 2) {
#pragma unroll
    for (int pair = 0; pair < ITEMS / 2; pair++) {
      int i = (int)first_of_pair(pair, distance);
      in_order(items[i], items[i + distance]);
    }
  }
}

// Sorts runs of RUN entries of a thread, then longer ones.
template <int ITEMS, int RUN>
__device__ inline void sort_own(u64 (&items)[ITEMS]) {
  if constexpr (RUN <= ITEMS) {
#pragma unroll
    for (int pair = 0; pair < ITEMS / 2; pair++) {
      int i = (int)first_of_pair(pair, RUN / 2);
      in_order(items[i], items[i ^ (RUN - 1)]);
    }
    merge_own<ITEMS, RUN / 4>(items);
    sort_own<ITEMS, 2 * RUN>(items);
  }
}

__device__ inline u64 kept(u64 own, u64 other, bool smaller) {
  return (other < own) == smaller ? other : own;
}

// A step between threads whose numbers differ in the bits of mask, within warps or through a tile.
template <int ITEMS, bool MIRRORED>
__device__ inline void exchange(u64 (&items)[ITEMS], int mask, u64* tile) {
  int other = threadIdx.x ^ mask;
  bool smaller = other > (int)threadIdx.x;
  if (mask < 32) {
#pragma unroll
    for (int i = 0; i < ITEMS / 2; i++) {
      int j = ITEMS - 1 - i;
      u64 first = __shfl_xor_sync(0xffffffff, items[i], mask);
      u64 last = __shfl_xor_sync(0xffffffff, items[j], mask);
      items[i] = kept(items[i], MIRRORED ? last : first, smaller);
      items[j] = kept(items[j], MIRRORED ? first : last, smaller);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < ITEMS; i++) {
    tile[i * blockDim.x + threadIdx.x] = items[i];
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < ITEMS; i++) {
    int from = MIRRORED ? ITEMS - 1 - i : i;
    items[i] = kept(items[i], tile[from * blockDim.x + other], smaller);
  }
  __syncthreads();
}

// Sorts the entries of each THREADS threads: those of a thread follow those of the one before.
template <int THREADS, int ITEMS>
__device__ inline void sort(u64 (&items)[ITEMS], u64* tile) {
  sort_own<ITEMS, 2>(items);
#pragma unroll 1
  for (int threads = 2; threads <= THREADS; threads *= 2) {
    exchange<ITEMS, true>(items, threads - 1, tile);
#pragma unroll 1
    for (int distance = threads / 4; distance > 0; distance /= 2) {
      exchange<ITEMS, false>(items, distance, tile);
    }
    merge_own<ITEMS, ITEMS / 2>(items);
  }
}

// Values and positions of the first `count` of lanes, a lane for each THREADS threads of a block.
template <int BLOCK, int THREADS, int ITEMS>
__device__ inline void sort_lanes(
    float* values,
    i64* positions,
    const float* from,
    const Lanes& lanes,
    i64 count,
    bool descending) {
  __shared__ u64 tile[BLOCK * (ITEMS + 1)];
  int self = threadIdx.x % THREADS;
  i64 lane = (i64)blockIdx.x * (BLOCK / THREADS) + threadIdx.x / THREADS;
  u32 length = lane < lanes.count ? (u32)lanes.length : 0;
  u32 wanted = lane < lanes.count ? (u32)count : 0;
  from += lane_start(lanes, lane, lanes.length);
  u64 items[ITEMS];
#pragma unroll
  for (int i = 0; i < ITEMS; i++) {
    u32 position = i * THREADS + self;
    items[i] = position < length
        ? entry_of(from[position * lanes.inner], position, descending)
        : NONE;
  }
  sort<THREADS>(items, tile);
#pragma unroll
  for (int i = 0; i < ITEMS; i++) {
    tile[threadIdx.x * (ITEMS + 1) + i] = items[i];
  }
  __syncthreads();
  const u64* sorted = tile + threadIdx.x / THREADS * THREADS * (ITEMS + 1);
  i64 start = lane_start(lanes, lane, count);
#pragma unroll 4
  for (u32 place = self; place < wanted; place += THREADS) {
    u64 entry = sorted[place + place / ITEMS];
    float value = float_of(entry, descending);
    i64 at = start + place * lanes.inner;
    values[at] = value == 0 || is_nan(value) ? from[(u32)entry * lanes.inner] : value;
    positions[at] = (u32)entry;
  }
}

#define SORT_LANES(LENGTH, BLOCK, THREADS)                                                         \
  KERNEL __launch_bounds__(BLOCK) sort_lanes_##LENGTH(                                             \
      float* values,                                                                               \
      i64* positions,                                                                              \
      const float* from,                                                                           \
      Lanes lanes,                                                                                 \
      i64 count,                                                                                   \
      i64 descending) {                                                                            \
    sort_lanes<BLOCK, THREADS, LENGTH / THREADS>(                                                  \
        values, positions, from, lanes, count, descending);                                        \
  }

SORT_LANES(128, 128, 32)
SORT_LANES(256, 128, 32)
SORT_LANES(512, 128, 32)
SORT_LANES(1024, 128, 32)
SORT_LANES(4096, 256, 256)

const int SELECT_THREADS = 256;
const int SELECT_STEP = 8 * SELECT_THREADS; // entries that a block looks at at a time
const int SELECT_ROOM = 2 * SELECT_STEP;

// Sorts entries of a tile, which has at least two places and `least`; the rest is none.
__device__ inline void sort_tile(u64* tile, u32 count, u32 least) {
  u32 n = 2;
  while (n < count || n < least) {
    n *= 2;
  }
  for (u32 i = count + threadIdx.x; i < n; i += SELECT_THREADS) {
    tile[i] = NONE;
  }
  __syncthreads();
  for (u32 run = 2; run <= n; run *= 2) {
    for (u32 distance = run / 2; distance > 0; distance /= 2) {
      u32 mask = 2 * distance == run ? run - 1 : distance;
      for (u32 pair = threadIdx.x; pair < n / 2; pair += SELECT_THREADS) {
        u32 i = first_of_pair(pair, distance);
        u64 low = tile[i];
        u64 high = tile[i ^ mask];
        if (high < low) {
          tile[i] = high;
          tile[i ^ mask] = low;
        }
      }
      __syncthreads();
    }
  }
}

// A lane of floats.
struct Floats {
  const float* from;
  i64 step;
  bool aligned; // quads, next to each other
  bool descending;

  // The entries from a position on, those before the end.
  __device__ void load(u64 (&entries)[4], i64 at, i64 end) const {
    float values[4];
    if (aligned && at + 4 <= end) {
      load_quad(values, from + at);
    } else {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        values[i] = at + i < end ? from[(at + i) * step] : 0;
      }
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
      entries[i] = at + i < end ? entry_of(values[i], (u32)(at + i), descending) : NONE;
    }
  }
};

// Entries that were selected.
struct Entries {
  const u64* from;

  __device__ void load(u64 (&entries)[4], i64 at, i64 end) const {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      entries[i] = at + i < end ? from[at + i] : NONE;
    }
  }
};

// The first k of the entries from `first` to `end`, in order or by position. What may be among them
// is gathered; when that is much, it is sorted, and what is not before the k-th need not be looked at
// again. The order in which threads gather does not matter, as entries differ.
template <typename Source>
__device__ inline void select(
    u64* to, const Source& source, i64 first, i64 end, u32 k, bool by_position) {
  __shared__ u64 tile[SELECT_ROOM];
  __shared__ u32 count;
  u64 bound = NONE;
  if (k <= SELECT_THREADS) {
    // Each thread's least of a sample: k entries of all are not after the k-th of those.
    i64 quads = (end - first) / (2 * 4 * SELECT_THREADS);
    u64 least = NONE;
#pragma unroll
    for (int i = 0; i < 2; i++) {
      u64 entries[4];
      i64 quad = (quads > 1 ? quads : 1) * (i * SELECT_THREADS + threadIdx.x);
      source.load(entries, first + 4 * quad, end);
#pragma unroll
      for (int j = 0; j < 4; j++) {
        least = entries[j] < least ? entries[j] : least;
      }
    }
    tile[threadIdx.x] = least;
    sort_tile(tile, SELECT_THREADS, k);
    bound = tile[k - 1];
    bound += bound != NONE;
  }
  if (threadIdx.x == 0) {
    count = 0;
  }
  __syncthreads();
  u32 most = 4 * k < 192 ? 192 : 4 * k < SELECT_STEP ? 4 * k : SELECT_STEP;
  for (; first < end; first += SELECT_STEP) {
    u64 entries[2][4];
#pragma unroll
    for (int i = 0; i < 2; i++) {
      source.load(entries[i], first + 4 * (i * SELECT_THREADS + threadIdx.x), end);
    }
    bool full = false;
#pragma unroll
    for (int i = 0; i < 8; i++) {
      u64 entry = entries[i / 4][i % 4];
      if (entry < bound) {
        u32 place = atomicAdd(&count, 1);
        tile[place] = entry;
        full |= place >= most;
      }
    }
    if (__syncthreads_or(full)) {
      sort_tile(tile, count, k);
      bound = tile[k - 1];
      if (threadIdx.x == 0) {
        count = k;
      }
      __syncthreads();
    }
  }
  sort_tile(tile, count, k);
  if (by_position) {
    for (u32 i = threadIdx.x; i < k; i += SELECT_THREADS) {
      tile[i] = (u32)tile[i];
    }
    sort_tile(tile, k, k);
  }
  for (u32 i = threadIdx.x; i < k; i += SELECT_THREADS) {
    to[i] = tile[i];
  }
}

// Entries of parts of lanes, [lanes, parts, k], a block for each part.
KERNEL __launch_bounds__(SELECT_THREADS) select_f32(
    u64* to,
    const float* from,
    Lanes lanes,
    i64 parts,
    i64 part_length,
    i64 k,
    i64 descending,
    i64 by_position) {
  i64 lane = blockIdx.x / parts;
  i64 first = (blockIdx.x - lane * parts) * part_length;
  i64 end = first + part_length < lanes.length ? first + part_length : lanes.length;
  from += lane_start(lanes, lane, lanes.length);
  bool aligned = lanes.inner == 1 && are_aligned((u64)from);
  Floats source = {from, lanes.inner, aligned, (bool)descending};
  select(to + blockIdx.x * k, source, first, end, (u32)k, by_position);
}

// Behind the entries of lanes, so many of each, the first k of them, [lanes, k].
KERNEL __launch_bounds__(SELECT_THREADS) select_entries(
    u64* entries, i64 length, i64 k, i64 by_position) {
  Entries source = {entries + blockIdx.x * length};
  u64* to = entries + gridDim.x * length + blockIdx.x * k;
  select(to, source, 0, length, (u32)k, by_position);
}

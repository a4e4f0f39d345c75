// What kernels of attention for compute capability 9.0 share: their parameters, the rings of tiles that one
// thread fills, the turns of groups of four warps, and the rules for scores and weights.
#pragma once
#include "hopper.cuh"
#include "math.cuh"

struct Sizes {
  i64 queries, keys;
  i64 heads, batch;
  i64 group;       // heads that share keys
  i64 section;     // heads whose blocks are near in time, so that keys and values stay in the cache
  i64 causal;
  i64 mask_batch, mask_head, mask_row, mask_column; // elements between neighbours
};

const int STAGES = 2; // tiles of a ring
const float LOG2_E = 0x1.715476p0f;

// The position of a block's work: `first` is a query, or a key.
struct Place {
  int batch, head, first;
};

// The place of a block of ROWS of so many for each head. With causality, late queries and early keys have
// the most work: LAST says that the last tile comes first.
template <int ROWS, bool LAST>
__device__ inline Place place_at(i64 index, i64 rows, i64 heads, i64 batch, i64 section) {
  i64 tiles = (rows + ROWS - 1) / ROWS;
  i64 begin = index / (section * tiles) * section;
  i64 within = index % (section * tiles);
  i64 width = heads * batch - begin < section ? heads * batch - begin : section;
  i64 head = begin + within % width;
  i64 tile = LAST ? tiles - 1 - within / width : within / width;
  return {(int)(head / heads), (int)(head % heads), (int)(tile * ROWS)};
}

// Number of keys that the queries before `end` see.
__device__ inline i64 visible_to(i64 end, const Sizes& sizes) {
  return sizes.causal && end < sizes.keys ? end : sizes.keys;
}

__device__ inline float hidden() {
  return __int_as_float((int)0xff800000);
}

// A turn through a ring of places: its place, and the parity of the phase there.
struct Turn {
  int stage = 0;
  u32 phase = 0;

  __device__ void advance() {
    static_assert(STAGES == 2, "two places");
    stage ^= 1;
    phase ^= stage == 0;
  }
};

// The weight of a score, which is yet to be multiplied by a factor. With a mask, scores may be so large that their
// product with it overflows, but not their difference.
template <bool MASKED>
__device__ inline float weight_of(float score, float factor, float shift) {
  return scalar::power_of_2(MASKED ? (score - shift) * factor : fmaf(score, factor, -shift));
}

// What is known of the weights of a thread's two rows, in the scores' own scale.
template <bool MASKED>
struct Normalizer {
  float maxima[2] = {hidden(), hidden()};
  float sums[2] = {0, 0}; // of this thread

  // What is subtracted from scores: with a mask before they are multiplied, otherwise after.
  __device__ inline float shift_of(int lower, float factor) const {
    float shift = maxima[lower] == hidden() ? 0.0f : maxima[lower];
    return MASKED ? shift : shift * factor;
  }

  // Makes weights of scores; gives the factors of what was summed before.
  template <int COUNT>
  __device__ inline void to_weights(float (&scores)[COUNT], float factor, float (&corrections)[2]) {
#pragma unroll
    for (int lower = 0; lower < 2; lower++) {
      float maximum = maxima[lower];
#pragma unroll
      for (int i = 2 * lower; i < COUNT; i += 4) {
        maximum = fmaxf(maximum, fmaxf(scores[i], scores[i + 1]));
      }
      maximum = fmaxf(maximum, __shfl_xor_sync(0xffffffff, maximum, 1));
      maximum = fmaxf(maximum, __shfl_xor_sync(0xffffffff, maximum, 2));
      float before = maxima[lower];
      maxima[lower] = maximum;
      float shift = shift_of(lower, factor);
      corrections[lower] = weight_of<MASKED>(before, factor, shift);
      float parts[2] = {sums[lower] * corrections[lower], 0};
#pragma unroll
      for (int i = 2 * lower; i < COUNT; i += 4) {
        scores[i] = weight_of<MASKED>(scores[i], factor, shift);
        scores[i + 1] = weight_of<MASKED>(scores[i + 1], factor, shift);
        parts[0] += scores[i];
        parts[1] += scores[i + 1];
      }
      sums[lower] = parts[0] + parts[1];
    }
  }

  // The sum over the threads of a row.
  __device__ inline float sum(int lower) const {
    float sum = sums[lower] + __shfl_xor_sync(0xffffffff, sums[lower], 1);
    return sum + __shfl_xor_sync(0xffffffff, sum, 2);
  }
};

template <bool VALUE>
struct Constant {
  static const bool value = VALUE;
};

template <typename ELEMENT>
struct IsBf16 : Constant<false> {};

template <>
struct IsBf16<Bfloat16> : Constant<true> {};

// Lets another group of warps issue its products.
__device__ inline void yield_turn(int group) {
  pair_arrive(4 + group);
}

__device__ inline void take_turn(int group) {
  pair_sync(4 + group);
}

// The row of a thread's upper elements among those of its group; the lower are 8 below.
__device__ inline int upper_row() {
  return (int)threadIdx.x % 128 / 32 * 16 + (int)threadIdx.x % 32 / 4;
}

// Barriers of a ring that are counted down by one that fills it, and by so many that empty it.
__device__ inline void init_ring(u64* full, u64* empty, u32 readers) {
  for (int i = 0; i < STAGES; i++) {
    barrier_init(full + i, 1);
    barrier_init(empty + i, readers);
  }
}

// Says that this group is done with a tile of a ring, and goes on to the next.
__device__ inline void release(u64* empty, Turn& turn) {
  if (threadIdx.x % 128 == 0) {
    barrier_arrive(empty + turn.stage);
  }
  turn.advance();
}

// Tiles lie in shared memory in parts of 64 elements of a row, 128 bytes.

// Copies rows of a matrix of WIDTH columns.
template <int WIDTH>
__device__ inline void copy_rows(
    char* to, int rows, const TileMap* map, u64* full, int first, int head, int batch) {
  for (int part = 0; part < WIDTH / 64; part++) {
    copy_tile(to + part * rows * 128, map, full, 64 * part, first, head, batch);
  }
}

// Copies a tile of keys or values as soon as its place is empty.
template <int WIDTH, int ROWS>
__device__ inline void fill_ring(
    char* ring, u64* full, u64* empty, Turn& turn, const TileMap* map, int first, const Place& place,
    const Sizes& sizes) {
  const int BYTES = 2 * ROWS * WIDTH;
  barrier_wait(empty + turn.stage, turn.phase ^ 1);
  barrier_expect(full + turn.stage, BYTES);
  copy_rows<WIDTH>(
      ring + turn.stage * BYTES, ROWS, map, full + turn.stage, first, place.head / (int)sizes.group,
      place.batch);
  turn.advance();
}

// Begins products of 64 rows of a tile with the rows of another: a b^T.
template <int WIDTH, bool BF16, int COUNT>
__device__ inline void begin_scores(float (&scores)[COUNT], const char* a, int a_rows, const char* b) {
  const int B_ROWS = 2 * COUNT;
  products_begin();
#pragma unroll
  for (int i = 0; i < WIDTH / 16; i++) {
    u64 a_tile = tile_descriptor(a + i / 4 * a_rows * 128 + i % 4 * 32, 0, 1024);
    u64 b_tile = tile_descriptor(b + i / 4 * B_ROWS * 128 + i % 4 * 32, 0, 1024);
    if constexpr (BF16) {
      product_64_16_bf16<0, 0>(scores, a_tile, b_tile, i > 0);
    } else {
      product_64_16_f16<0, 0>(scores, a_tile, b_tile, i > 0);
    }
  }
  products_commit();
}

// Begins to add products of weights, in registers, with the rows of a tile.
template <bool BF16, int COUNT, int WEIGHTS>
__device__ inline void begin_sums(float (&sums)[COUNT], const u32 (&weights)[WEIGHTS], const char* b) {
  const int B_ROWS = 4 * WEIGHTS;
  products_begin();
#pragma unroll
  for (int i = 0; i < WEIGHTS / 4; i++) {
    u64 tile = tile_descriptor(b + 2048 * i, B_ROWS * 128, 1024);
    const u32* w = weights + 4 * i;
    if constexpr (BF16) {
      add_product_64_16_bf16(sums, w[0], w[1], w[2], w[3], tile);
    } else {
      add_product_64_16_f16(sums, w[0], w[1], w[2], w[3], tile);
    }
  }
  products_commit();
}

template <bool BF16, int COUNT>
__device__ inline void to_pairs(u32 (&pairs)[COUNT / 2], const float (&values)[COUNT]) {
#pragma unroll
  for (int i = 0; i < COUNT / 2; i++) {
    pairs[i] = pair<BF16>(values[2 * i], values[2 * i + 1]);
  }
}

template <int COUNT>
__device__ inline void clear(float (&sums)[COUNT]) {
#pragma unroll
  for (int i = 0; i < COUNT; i++) {
    sums[i] = 0;
  }
}

// Multiplies what a thread has of its two rows.
template <int COUNT>
__device__ inline void multiply(float (&sums)[COUNT], const float (&factors)[2]) {
#pragma unroll
  for (int i = 0; i < COUNT; i++) {
    sums[i] *= factors[i / 2 % 2];
  }
}

// Adds the mask, in the scale of the scores, and hides keys from `first` on that a thread's two queries do
// not see.
template <bool MASKED, int COUNT, typename ELEMENT>
__device__ inline void hide(
    float (&scores)[COUNT], const ELEMENT* mask, float scale, int query, int first, const Sizes& sizes) {
  int column = first + (int)threadIdx.x % 4 * 2;
#pragma unroll
  for (int lower = 0; lower < 2; lower++) {
    i64 row = query + 8 * lower;
    int end = (int)visible_to(row + 1, sizes) - column;
    const ELEMENT* at = mask + row * sizes.mask_row + column * sizes.mask_column;
#pragma unroll
    for (int i = 0; i < COUNT / 2; i++) {
      int offset = i / 2 * 8 + i % 2;
      float& score = scores[i / 2 * 4 + 2 * lower + i % 2];
      if (MASKED) {
        score *= scale;
        if (offset < end && row < sizes.queries) {
          score += widened(at[offset * sizes.mask_column]);
        }
      }
      score = offset < end ? score : hidden();
    }
  }
}

// Stores 64 rows by way of shared memory, where this group's rows, the first 64 of `tile`, are free; parts of the
// tile have so many rows. Chunks of 16 bytes are swizzled, as the copy expects them.
template <bool BF16, int COUNT>
__device__ inline void store_rows(
    const TileMap* map, const float (&sums)[COUNT], const float (&factors)[2], char* tile, int rows,
    int name, int first, const Place& place) {
  group_sync(name);
  int upper = (int)again((u32)upper_row()); // so that no addresses are in registers before
#pragma unroll
  for (int lower = 0; lower < 2; lower++) {
    int row = upper + 8 * lower;
#pragma unroll
    for (int i = 0; i < COUNT / 4; i++) {
      int at = i / 8 * rows * 128 + row * 128 + (i % 8 ^ row % 8) * 16 + (int)threadIdx.x % 4 * 4;
      float x = sums[4 * i + 2 * lower] * factors[lower];
      float y = sums[4 * i + 2 * lower + 1] * factors[lower];
      *(u32*)(tile + at) = pair<BF16>(x, y);
    }
  }
  publish_shared();
  group_sync(name);
  if (threadIdx.x % 128 == 0) {
    for (int part = 0; part < COUNT / 32; part++) {
      store_tile(map, tile + part * rows * 128, 64 * part, first, place.head, place.batch);
    }
  }
}

// The first four warps, which give their registers to the others, copy tiles by one thread.
template <int COPYING_REGISTERS, int REGISTERS, typename F, typename G>
__device__ inline void in_roles(F copy, G compute) {
  if (threadIdx.x < 128) {
    registers_release<COPYING_REGISTERS>();
    if (threadIdx.x == 0) {
      copy();
    }
  } else {
    registers_acquire<REGISTERS>();
    compute();
  }
}

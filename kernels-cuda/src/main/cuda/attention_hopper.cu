// Attention of 16-bit floats on the tensor cores of compute capability 9.0, with scores and sums in F32
// (Dao, FlashAttention-2, 2023; Shah et al., FlashAttention-3, 2024).
//
// A block takes 64 queries for each of its groups of four warps along tiles of keys, from the last tile
// to the first. One thread more copies tiles of keys and values into two places each. While a group makes
// weights of the scores of one tile, its products of the weights before with values are under way, and two groups
// take turns, so that one's products run beside the other's exponentials. Weights are rounded to 16 bits before
// they meet the values, their sums are not.
#include "attention_hopper.cuh"

const int KEYS = 128; // of a tile

// GROUPS: of warps
template <int WIDTH, int GROUPS, typename ELEMENT, bool MASKED>
struct Attention {
  static const int ROWS = 64 * GROUPS;
  static const int TILE_BYTES = 2 * KEYS * WIDTH;
  static const bool TURNS = GROUPS == 2;
  static const bool BF16 = IsBf16<ELEMENT>::value;

  char* queries;
  char* keys;
  char* values;
  char* results;
  u64 *query_full, *query_empty, *key_full, *key_empty, *value_full, *value_empty;
  const Sizes& sizes;

  __device__ inline Attention(char* memory, u64* barriers, const Sizes& sizes)
      : queries(memory),
        keys(queries + 2 * ROWS * WIDTH),
        values(keys + STAGES * TILE_BYTES),
        results(values + STAGES * TILE_BYTES),
        query_full(barriers),
        query_empty(barriers + 1),
        key_full(barriers + 2),
        key_empty(barriers + 4),
        value_full(barriers + 6),
        value_empty(barriers + 8),
        sizes(sizes) {
    if (threadIdx.x == 0) {
      barrier_init(query_full, 1);
      barrier_init(query_empty, GROUPS);
      init_ring(key_full, key_empty, GROUPS);
      init_ring(value_full, value_empty, GROUPS);
      publish_barriers();
    }
    __syncthreads();
  }

  __device__ inline i64 blocks() const {
    return (sizes.queries + ROWS - 1) / ROWS * sizes.heads * sizes.batch;
  }

  __device__ inline Place place(i64 index) const {
    return place_at<ROWS, true>(index, sizes.queries, sizes.heads, sizes.batch, sizes.section);
  }

  // Tiles of keys that a block's queries see.
  __device__ inline int tiles_of(const Place& place) const {
    return (int)((visible_to(place.first + ROWS, sizes) + KEYS - 1) / KEYS);
  }

  __device__ inline void produce(const TileMap* q_map, const TileMap* k_map, const TileMap* v_map) {
    Turn key_turn;
    Turn value_turn;
    u32 phase = 0;
    for (i64 index = blockIdx.x; index < blocks(); index += gridDim.x) {
      Place place = this->place(index);
      barrier_wait(query_empty, phase ^ 1);
      phase ^= 1;
      barrier_expect(query_full, 2 * ROWS * WIDTH);
      copy_rows<WIDTH>(queries, ROWS, q_map, query_full, place.first, place.head, place.batch);
      int tiles = tiles_of(place);
      auto copy_keys = [&](int tile) {
        fill_ring<WIDTH, KEYS>(keys, key_full, key_empty, key_turn, k_map, tile * KEYS, place, sizes);
      };
      auto copy_values = [&](int tile) {
        fill_ring<WIDTH, KEYS>(
            values, value_full, value_empty, value_turn, v_map, tile * KEYS, place, sizes);
      };
      copy_keys(tiles - 1);
      for (int tile = tiles - 1; tile > 0; tile--) {
        copy_keys(tile - 1);
        copy_values(tile);
      }
      copy_values(0);
    }
  }

  __device__ inline void consume(const TileMap* to_map, const ELEMENT* mask, float scale) {
    int group = (int)threadIdx.x / 128 - 1;
    float factor = MASKED ? LOG2_E : scale * LOG2_E;
    const char* own_queries = queries + group * 64 * 128;
    Turn key_turn;
    Turn value_turn;
    u32 phase = 0;
    if (TURNS && group == 1) {
      yield_turn(0);
    }
    for (i64 index = blockIdx.x; index < blocks(); index += gridDim.x) {
      Place place = this->place(index);
      int first = place.first + 64 * group;
      int query = first + upper_row();
      int tile = tiles_of(place) - 1;
      // Tiles from here on are not visible to all queries of the group.
      int whole = MASKED ? 0 : (int)visible_to(first + 1, sizes) / KEYS;
      const ELEMENT* masks =
          MASKED ? mask + place.batch * sizes.mask_batch + place.head * sizes.mask_head : mask;
      Normalizer<MASKED> normalizer;
      float scores[KEYS / 2];
      float sums[WIDTH / 2];
      u32 weights[KEYS / 4];
      float corrections[2];
      clear(sums);

      barrier_wait(query_full, phase);
      phase ^= 1;
      barrier_wait(key_full + key_turn.stage, key_turn.phase);
      if (TURNS) {
        take_turn(group);
      }
      begin_scores<WIDTH, BF16>(scores, own_queries, ROWS, keys + key_turn.stage * TILE_BYTES);
      if (TURNS) {
        yield_turn(group ^ 1);
      }
      products_wait<0>();
      settle(scores);
      release(key_empty, key_turn);
      hide<MASKED>(scores, masks, scale, query, tile * KEYS, sizes);
      normalizer.to_weights(scores, factor, corrections);
      to_pairs<BF16>(weights, scores);

      auto step = [&](auto masked) {
        barrier_wait(key_full + key_turn.stage, key_turn.phase);
        if (TURNS) {
          take_turn(group);
        }
        begin_scores<WIDTH, BF16>(scores, own_queries, ROWS, keys + key_turn.stage * TILE_BYTES);
        barrier_wait(value_full + value_turn.stage, value_turn.phase);
        begin_sums<BF16>(sums, weights, values + value_turn.stage * TILE_BYTES);
        if (TURNS) {
          yield_turn(group ^ 1);
        }
        products_wait<1>();
        settle(scores);
        release(key_empty, key_turn);
        if (masked.value) {
          hide<MASKED>(scores, masks, scale, query, tile * KEYS, sizes);
        }
        normalizer.to_weights(scores, factor, corrections);
        products_wait<0>();
        settle(sums);
        release(value_empty, value_turn);
        to_pairs<BF16>(weights, scores);
        multiply(sums, corrections);
      };
#pragma unroll 1
      for (tile--; tile >= whole; tile--) {
        step(Constant<true>());
      }
#pragma unroll 1
      for (; tile >= 0; tile--) {
        step(Constant<false>());
      }
      if (threadIdx.x % 128 == 0) {
        barrier_arrive(query_empty);
        stores_wait_read<0>(); // of the block's results before
      }
      barrier_wait(value_full + value_turn.stage, value_turn.phase);
      begin_sums<BF16>(sums, weights, values + value_turn.stage * TILE_BYTES);
      products_wait<0>();
      settle(sums);
      release(value_empty, value_turn);
      float factors[2];
#pragma unroll
      for (int lower = 0; lower < 2; lower++) {
        float sum = normalizer.sum(lower);
        factors[lower] = sum == 0 ? 0.0f : 1 / sum;
      }
      store_rows<BF16>(to_map, sums, factors, results + group * 64 * 128, ROWS, 1 + group, first, place);
    }
    if (TURNS && group == 0) {
      take_turn(0);
    }
    if (threadIdx.x % 128 == 0) {
      stores_wait_read<0>();
    }
  }
};

// WIDTH: what rows of queries and values are filled up to
#define ATTENTION(NAME, WIDTH, GROUPS, ELEMENT, MASKED, COPYING_REGISTERS, REGISTERS)               \
  KERNEL __launch_bounds__(128 + 128 * GROUPS, 1) NAME(                                            \
      const __grid_constant__ TileMap to,                                                          \
      const __grid_constant__ TileMap q,                                                           \
      const __grid_constant__ TileMap k,                                                           \
      const __grid_constant__ TileMap v,                                                           \
      const ELEMENT* mask,                                                                         \
      float scale,                                                                                 \
      Sizes sizes) {                                                                               \
    __shared__ u64 barriers[10];                                                                   \
    Attention<WIDTH, GROUPS, ELEMENT, MASKED> attention(tiles_memory(), barriers, sizes);          \
    in_roles<COPYING_REGISTERS, REGISTERS>(                                                        \
        [&] { attention.produce(&q, &k, &v); }, [&] { attention.consume(&to, mask, scale); });     \
  }

#define ATTENTIONS(TYPE, ELEMENT)                                                                  \
  ATTENTION(attention_64_##TYPE, 64, 3, ELEMENT, false, 32, 160)                                   \
  ATTENTION(attention_64_masked_##TYPE, 64, 3, ELEMENT, true, 32, 160)                             \
  ATTENTION(attention_128_##TYPE, 128, 2, ELEMENT, false, 40, 232)                                 \
  ATTENTION(attention_128_masked_##TYPE, 128, 2, ELEMENT, true, 40, 232)

ATTENTIONS(bf16, Bfloat16)
ATTENTIONS(f16, Float16)

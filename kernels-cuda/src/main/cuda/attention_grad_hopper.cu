// The gradients of attention of BF16 on the tensor cores of compute capability 9.0, which compute the
// weights again.
//
// Three kernels, so that no two blocks add to the same sums: one multiplies gradients and outputs of queries;
// in the next a block takes 128 queries along the keys, for their gradient and what the weights need; in the last
// a block takes 128 keys along the queries of all heads of their group. Weights and the gradients of scores are
// rounded to BF16 before they are multiplied; F16 does not hold those that are yet to be divided by a sum.
#include "attention_hopper.cuh"

const int GROUPS = 2;
const int ROWS = 64 * GROUPS; // of a block

// Known of each query, with places for a multiple of 128 queries of each head.
struct Statistics {
  float* shifts; // what is subtracted from a score to have its weight
  float* means;  // the sum over gradient * output
  float* logs;   // with a mask, whose scores may be large, the sum of weights, in powers of 2; otherwise in shifts
};

__device__ inline i64 padded(const Sizes& sizes) {
  return (sizes.queries + ROWS - 1) / ROWS * ROWS;
}

__device__ inline Statistics statistics_of(float* first, const Sizes& sizes) {
  i64 places = padded(sizes) * sizes.heads * sizes.batch;
  return {first, first + places, first + 2 * places};
}

// Elements between neighbours of the attention's output and of its gradient.
struct Outputs {
  i64 batch, head, row;
  i64 gradient_batch, gradient_head, gradient_row;
};

// A thread has eight elements of a row side by side.
template <int WIDTH>
__device__ inline void multiply_outputs(
    float* statistics, const Bfloat16* output, const Bfloat16* gradient, i64 size, const Outputs& outputs,
    const Sizes& sizes) {
  const int TEAM = WIDTH / 8;
  i64 index = (i64)blockIdx.x * (128 / TEAM) + threadIdx.x / TEAM;
  int column = (int)threadIdx.x % TEAM * 8;
  i64 rows = padded(sizes);
  i64 row = index % rows;
  i64 head = index / rows % sizes.heads;
  i64 batch = index / rows / sizes.heads;
  bool real = batch < sizes.batch;
  float sum = 0;
  if (real && row < sizes.queries && column < size) {
    output += batch * outputs.batch + head * outputs.head + row * outputs.row + column;
    gradient += batch * outputs.gradient_batch + head * outputs.gradient_head + row * outputs.gradient_row +
                column;
#pragma unroll
    for (int quad = 0; quad < 8; quad += 4) {
      float xs[4];
      float ys[4];
      load_quad(xs, output + quad);
      load_quad(ys, gradient + quad);
#pragma unroll
      for (int k = 0; k < 4; k++) {
        sum = fmaf(xs[k], ys[k], sum);
      }
    }
  }
#pragma unroll
  for (int mask = TEAM / 2; mask > 0; mask /= 2) {
    sum += __shfl_xor_sync(0xffffffff, sum, mask);
  }
  if (real && column == 0) {
    statistics_of(statistics, sizes).means[index] = sum;
  }
}

#define MULTIPLY_OUTPUTS(WIDTH)                                                                    \
  KERNEL __launch_bounds__(128) attention_means_##WIDTH##_bf16(                                    \
      float* statistics, const Bfloat16* output, const Bfloat16* gradient, i64 size,               \
      Outputs outputs, Sizes sizes) {                                                              \
    multiply_outputs<WIDTH>(statistics, output, gradient, size, outputs, sizes);                   \
  }

MULTIPLY_OUTPUTS(64)
MULTIPLY_OUTPUTS(128)

// The gradient of queries along tiles of keys, from the last to the first.
template <int WIDTH, bool MASKED>
struct QueryGrad {
  static const int KEYS = 128;
  static const int TILE_BYTES = 2 * KEYS * WIDTH;

  char* queries;
  char* gradients;
  char* keys;
  char* values;
  u64 *query_full, *key_full, *key_empty, *value_full, *value_empty;
  const Sizes& sizes;
  Place place;

  __device__ inline QueryGrad(char* memory, u64* barriers, const Sizes& sizes)
      : queries(memory),
        gradients(queries + 2 * ROWS * WIDTH),
        keys(gradients + 2 * ROWS * WIDTH),
        values(keys + STAGES * TILE_BYTES),
        query_full(barriers),
        key_full(barriers + 1),
        key_empty(barriers + 3),
        value_full(barriers + 5),
        value_empty(barriers + 7),
        sizes(sizes),
        place(place_at<ROWS, true>(
            blockIdx.x, sizes.queries, sizes.heads, sizes.batch, sizes.section)) {
    if (threadIdx.x == 0) {
      barrier_init(query_full, 1);
      init_ring(key_full, key_empty, GROUPS);
      init_ring(value_full, value_empty, GROUPS);
      publish_barriers();
    }
    __syncthreads();
  }

  __device__ inline int tiles() const {
    return (int)((visible_to(place.first + ROWS, sizes) + KEYS - 1) / KEYS);
  }

  __device__ inline void produce(
      const TileMap* q_map, const TileMap* gradient_map, const TileMap* k_map, const TileMap* v_map) {
    barrier_expect(query_full, 4 * ROWS * WIDTH);
    copy_rows<WIDTH>(queries, ROWS, q_map, query_full, place.first, place.head, place.batch);
    copy_rows<WIDTH>(gradients, ROWS, gradient_map, query_full, place.first, place.head, place.batch);
    Turn key_turn;
    Turn value_turn;
    for (int tile = tiles() - 1; tile >= 0; tile--) {
      fill_ring<WIDTH, KEYS>(keys, key_full, key_empty, key_turn, k_map, tile * KEYS, place, sizes);
      fill_ring<WIDTH, KEYS>(
          values, value_full, value_empty, value_turn, v_map, tile * KEYS, place, sizes);
    }
  }

  __device__ inline void consume(
      const TileMap* to_map, float* statistics, const Bfloat16* mask, float scale) {
    int group = (int)threadIdx.x / 128 - 1;
    float factor = MASKED ? LOG2_E : scale * LOG2_E;
    char* own_queries = queries + group * 64 * 128;
    const char* own_gradients = gradients + group * 64 * 128;
    int first = place.first + 64 * group;
    int query = first + upper_row();
    int whole = MASKED ? 0 : (int)visible_to(first + 1, sizes) / KEYS;
    const Bfloat16* masks =
        MASKED ? mask + place.batch * sizes.mask_batch + place.head * sizes.mask_head : mask;
    Statistics known = statistics_of(statistics, sizes);
    i64 at = ((i64)place.batch * sizes.heads + place.head) * padded(sizes) + query;
    float means[2] = {known.means[at], known.means[at + 8]};
    Normalizer<MASKED> normalizer;
    float scores[KEYS / 2];
    float slopes[KEYS / 2]; // gradients of the weights
    float sums[WIDTH / 2];
    u32 pairs[KEYS / 4];
    float corrections[2];
    clear(sums);
    Turn key_turn;
    Turn value_turn;
    barrier_wait(query_full, 0);
    int tile = tiles() - 1;
    auto step = [&](auto masked) {
      barrier_wait(key_full + key_turn.stage, key_turn.phase);
      begin_scores<WIDTH, true>(scores, own_queries, ROWS, keys + key_turn.stage * TILE_BYTES);
      barrier_wait(value_full + value_turn.stage, value_turn.phase);
      begin_scores<WIDTH, true>(slopes, own_gradients, ROWS, values + value_turn.stage * TILE_BYTES);
      products_wait<1>();
      settle(scores);
      if (masked.value) {
        hide<MASKED>(scores, masks, scale, query, tile * KEYS, sizes);
      }
      normalizer.to_weights(scores, factor, corrections);
      multiply(sums, corrections);
      products_wait<0>();
      settle(slopes);
      release(value_empty, value_turn);
#pragma unroll
      for (int i = 0; i < KEYS / 2; i++) {
        scores[i] *= slopes[i] - means[i / 2 % 2];
      }
      to_pairs<true>(pairs, scores);
      begin_sums<true>(sums, pairs, keys + key_turn.stage * TILE_BYTES);
      products_wait<0>();
      settle(sums);
      release(key_empty, key_turn);
    };
#pragma unroll 1
    for (; tile >= whole; tile--) {
      step(Constant<true>());
    }
#pragma unroll 1
    for (; tile >= 0; tile--) {
      step(Constant<false>());
    }
    float factors[2];
#pragma unroll
    for (int lower = 0; lower < 2; lower++) {
      float sum = normalizer.sum(lower);
      factors[lower] = sum == 0 ? 0.0f : scale / sum;
      bool none = sum == 0 || query + 8 * lower >= sizes.queries;
      if (threadIdx.x % 4 == 0) {
        // Where there are none, weights are 2^-infinity.
        float log = none ? -hidden() : scalar::rough_log2(sum);
        float shift = normalizer.shift_of(lower, factor);
        known.shifts[at + 8 * lower] = MASKED ? shift : shift + log;
        if (MASKED) {
          known.logs[at + 8 * lower] = log;
        }
      }
    }
    store_rows<true>(to_map, sums, factors, own_queries, ROWS, 1 + group, first, place);
    if (threadIdx.x % 128 == 0) {
      stores_wait_read<0>();
    }
  }
};

// The gradients of keys and values along tiles of queries. Scores are turned: a thread has two keys.
template <int WIDTH, bool MASKED>
struct KeyGrad {
  static const int QUERIES = 64; // of a tile
  static const int TILE_BYTES = 2 * QUERIES * WIDTH;
  static const int STATISTICS_BYTES = 4 * QUERIES;
  static const int STATISTICS = MASKED ? 3 : 2;

  char* keys;
  char* values;
  char* queries;
  char* gradients;
  float* shifts;
  float* means;
  float* logs;
  u64 *key_full, *full, *empty;
  const Sizes& sizes;
  Place place; // of a head of keys

  __device__ inline KeyGrad(char* memory, u64* barriers, const Sizes& sizes)
      : keys(memory),
        values(keys + 2 * ROWS * WIDTH),
        queries(values + 2 * ROWS * WIDTH),
        gradients(queries + STAGES * TILE_BYTES),
        shifts((float*)(gradients + STAGES * TILE_BYTES)),
        means(shifts + STAGES * QUERIES),
        logs(means + STAGES * QUERIES),
        key_full(barriers),
        full(barriers + 1),
        empty(barriers + 3),
        sizes(sizes),
        place(place_at<ROWS, false>(
            blockIdx.x, sizes.keys, sizes.heads / sizes.group, sizes.batch, sizes.section)) {
    if (threadIdx.x == 0) {
      barrier_init(key_full, 1);
      init_ring(full, empty, 4 * GROUPS);
      publish_barriers();
    }
    __syncthreads();
  }

  // The first tile of queries that see one of the keys, and the number of tiles.
  __device__ inline int begin() const {
    return sizes.causal ? place.first / QUERIES : 0;
  }

  __device__ inline int tiles() const {
    return (int)((sizes.queries + QUERIES - 1) / QUERIES);
  }

  __device__ inline void produce(
      const TileMap* q_map, const TileMap* gradient_map, const TileMap* k_map, const TileMap* v_map,
      float* statistics) {
    barrier_expect(key_full, 4 * ROWS * WIDTH);
    copy_rows<WIDTH>(keys, ROWS, k_map, key_full, place.first, place.head, place.batch);
    copy_rows<WIDTH>(values, ROWS, v_map, key_full, place.first, place.head, place.batch);
    Statistics known = statistics_of(statistics, sizes);
    Turn turn;
    for (int i = 0; i < (int)sizes.group; i++) {
      int head = place.head * (int)sizes.group + i;
      i64 at = ((i64)place.batch * sizes.heads + head) * padded(sizes);
      for (int tile = begin(); tile < tiles(); tile++) {
        u64* filled = full + turn.stage;
        barrier_wait(empty + turn.stage, turn.phase ^ 1);
        barrier_expect(filled, 2 * TILE_BYTES + STATISTICS * STATISTICS_BYTES);
        copy_rows<WIDTH>(
            queries + turn.stage * TILE_BYTES, QUERIES, q_map, filled, tile * QUERIES, head, place.batch);
        copy_rows<WIDTH>(
            gradients + turn.stage * TILE_BYTES, QUERIES, gradient_map, filled, tile * QUERIES, head,
            place.batch);
        copy_bytes(
            shifts + turn.stage * QUERIES, known.shifts + at + tile * QUERIES, STATISTICS_BYTES, filled);
        copy_bytes(means + turn.stage * QUERIES, known.means + at + tile * QUERIES, STATISTICS_BYTES, filled);
        if (MASKED) {
          copy_bytes(logs + turn.stage * QUERIES, known.logs + at + tile * QUERIES, STATISTICS_BYTES, filled);
        }
        turn.advance();
      }
    }
  }

  // Makes weights of the products of two keys with the queries of a tile.
  template <bool HIDING>
  __device__ inline void to_weights(
      float (&scores)[QUERIES / 2], int stage, const Bfloat16* mask, float scale, float factor, int key,
      int query) {
    int column = (int)threadIdx.x % 4 * 2;
#pragma unroll
    for (int i = 0; i < QUERIES / 8; i++) {
      int place = stage * QUERIES + 8 * i + column;
      float2 shift = *(const float2*)(shifts + place);
      float2 log = MASKED ? *(const float2*)(logs + place) : float2{0, 0};
#pragma unroll
      for (int k = 0; k < 4; k++) {
        float& score = scores[4 * i + k];
        float subtracted = k % 2 == 0 ? shift.x : shift.y;
        int at_query = query + 8 * i + column + k % 2;
        int at_key = key + k / 2 * 8;
        if (MASKED) {
          score *= scale;
          if (at_query < sizes.queries && at_key < sizes.keys) {
            score += widened(mask[at_query * sizes.mask_row + at_key * sizes.mask_column]);
          }
          score = fmaf(score - subtracted, factor, -(k % 2 == 0 ? log.x : log.y));
        } else {
          score = fmaf(score, factor, -subtracted);
        }
        score = scalar::power_of_2(score);
        if (HIDING) {
          score = at_query >= at_key ? score : 0;
        }
      }
    }
  }

  __device__ inline void consume(
      const TileMap* to_keys, const TileMap* to_values, const Bfloat16* mask, float scale) {
    int group = (int)threadIdx.x / 128 - 1;
    float factor = MASKED ? LOG2_E : scale * LOG2_E;
    char* own_keys = keys + group * 64 * 128;
    char* own_values = values + group * 64 * 128;
    int first = place.first + 64 * group;
    int key = first + upper_row();
    float scores[QUERIES / 2];
    float slopes[QUERIES / 2]; // gradients of the weights
    float key_sums[WIDTH / 2];
    float value_sums[WIDTH / 2];
    u32 weights[QUERIES / 4];
    u32 pairs[QUERIES / 4];
    clear(key_sums);
    clear(value_sums);
    // Tiles before this one have queries that do not see all keys of the group.
    int whole = sizes.causal ? (first + 63 + QUERIES - 1) / QUERIES : 0;
    Turn turn;
    barrier_wait(key_full, 0);
#pragma unroll 1
    for (int i = 0; i < (int)sizes.group; i++) {
      int head = place.head * (int)sizes.group + i;
      const Bfloat16* masks =
          MASKED ? mask + place.batch * sizes.mask_batch + head * sizes.mask_head : mask;
      int tile = begin();
      auto step = [&](auto hiding) {
        int stage = turn.stage;
        barrier_wait(full + stage, turn.phase);
        begin_scores<WIDTH, true>(scores, own_keys, ROWS, queries + stage * TILE_BYTES);
        begin_scores<WIDTH, true>(slopes, own_values, ROWS, gradients + stage * TILE_BYTES);
        products_wait<1>();
        settle(scores);
        to_weights<hiding.value>(scores, stage, masks, scale, factor, key, tile * QUERIES);
        to_pairs<true>(weights, scores);
        begin_sums<true>(value_sums, weights, gradients + stage * TILE_BYTES);
        products_wait<1>();
        settle(slopes);
        int column = (int)threadIdx.x % 4 * 2;
#pragma unroll
        for (int j = 0; j < QUERIES / 8; j++) {
          float2 mean = *(const float2*)(means + stage * QUERIES + 8 * j + column);
#pragma unroll
          for (int k = 0; k < 4; k++) {
            scores[4 * j + k] *= slopes[4 * j + k] - (k % 2 == 0 ? mean.x : mean.y);
          }
        }
        to_pairs<true>(pairs, scores);
        begin_sums<true>(key_sums, pairs, queries + stage * TILE_BYTES);
        products_wait<0>();
        settle(value_sums);
        settle(key_sums);
        // Each warp, since threads have read statistics themselves.
        __syncwarp();
        if (threadIdx.x % 32 == 0) {
          barrier_arrive(empty + turn.stage);
        }
        turn.advance();
      };
#pragma unroll 1
      for (; tile < tiles() && tile < whole; tile++) {
        step(Constant<true>());
      }
#pragma unroll 1
      for (; tile < tiles(); tile++) {
        step(Constant<false>());
      }
    }
    float ones[2] = {1, 1};
    float scales[2] = {scale, scale};
    store_rows<true>(to_keys, key_sums, scales, own_keys, ROWS, 1 + group, first, place);
    store_rows<true>(to_values, value_sums, ones, own_values, ROWS, 1 + group, first, place);
    if (threadIdx.x % 128 == 0) {
      stores_wait_read<0>();
    }
  }
};

// WIDTH: what rows of queries and values are filled up to
#define GRADIENTS(NAME, WIDTH, MASKED)                                                             \
  KERNEL __launch_bounds__(128 + 128 * GROUPS, 1) attention_query_grad_##NAME(                     \
      const __grid_constant__ TileMap to,                                                          \
      const __grid_constant__ TileMap q,                                                           \
      const __grid_constant__ TileMap k,                                                           \
      const __grid_constant__ TileMap v,                                                           \
      const __grid_constant__ TileMap gradient,                                                    \
      float* statistics,                                                                           \
      const Bfloat16* mask,                                                                        \
      float scale,                                                                                 \
      Sizes sizes) {                                                                               \
    __shared__ u64 barriers[9];                                                                    \
    QueryGrad<WIDTH, MASKED> grad(tiles_memory(), barriers, sizes);                                \
    in_roles<40, 232>(                                                                             \
        [&] { grad.produce(&q, &gradient, &k, &v); },                                              \
        [&] { grad.consume(&to, statistics, mask, scale); });                                      \
  }                                                                                                \
                                                                                                   \
  KERNEL __launch_bounds__(128 + 128 * GROUPS, 1) attention_key_grad_##NAME(                       \
      const __grid_constant__ TileMap to_keys,                                                     \
      const __grid_constant__ TileMap to_values,                                                   \
      const __grid_constant__ TileMap q,                                                           \
      const __grid_constant__ TileMap k,                                                           \
      const __grid_constant__ TileMap v,                                                           \
      const __grid_constant__ TileMap gradient,                                                    \
      float* statistics,                                                                           \
      const Bfloat16* mask,                                                                        \
      float scale,                                                                                 \
      Sizes sizes) {                                                                               \
    __shared__ u64 barriers[5];                                                                    \
    KeyGrad<WIDTH, MASKED> grad(tiles_memory(), barriers, sizes);                                  \
    in_roles<40, 232>(                                                                             \
        [&] { grad.produce(&q, &gradient, &k, &v, statistics); },                                  \
        [&] { grad.consume(&to_keys, &to_values, mask, scale); });                                 \
  }

GRADIENTS(64_bf16, 64, false)
GRADIENTS(128_bf16, 128, false)
GRADIENTS(64_masked_bf16, 64, true)
GRADIENTS(128_masked_bf16, 128, true)

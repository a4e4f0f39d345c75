// Attention as in attention.cu, with products on the tensor cores: a block takes 64 rows, and each of
// its four warps 16 of them, along tiles of the rows on the other side. Products, scores and weights
// stay in the layout of mma.cuh: a thread has two rows, and of each eight columns two.
//
// An infinite element makes NaN of what depends on it, also where ordinary arithmetic does not.
#include "async.cuh"
#include "attention.cuh"
#include "mma.cuh"
#include "quads.cuh"

using tf32::Split;

const int THREADS = 128;
const int ROWS = 64;
const int STEP = 32; // rows of the other side

// What a thread has of sums of 16 rows of a warp.
template <int COLUMNS>
using Sums = float[COLUMNS / 8][4];

__device__ inline int lane_row() {
  return threadIdx.x % 32 / 4;
}

// The upper row of a thread in its block; the lower is 8 below.
__device__ inline int upper_row() {
  return threadIdx.x / 32 * 16 + lane_row();
}

__device__ inline int lane_column() {
  return threadIdx.x % 4;
}

// Rows of WIDTH floats in shared memory. The fours of a row are swapped such that eight lanes meet in
// no bank, be it for neighbouring fours of two rows, or for two fours of every other row.
template <int WIDTH>
struct Tile {
  int first; // index of its first float

  // One of the eight fours from a column on, which is a multiple of 32.
  __device__ float* at(int row, int column, int four) const {
    int place = four ^ (row & 6) ^ (row & 1) << 2;
    return (float*)dynamic_shared + (row * WIDTH + column + 4 * place + first);
  }

  __device__ Four read(int row, int column, int four) const {
    return *(const Four*)at(row, column, four);
  }

  // What follows some rows, a multiple of 8.
  __device__ Tile below(int row) const {
    return {first + row * WIDTH};
  }
};

// The count, brought between 0 and most.
__device__ inline int within(i64 count, int most) {
  return count < 0 ? 0 : count < most ? (int)count : most;
}

// Begins to load rows of a matrix; outside of it are zeros.
template <int COUNT, int WIDTH>
__device__ inline void load(const Tile<WIDTH>& to, const Matrix& from, int first) {
  const int LINE = WIDTH / 4;
  const int ROUNDS = COUNT * LINE / THREADS;
  int count = within(from.rows - first, COUNT);
  int row = threadIdx.x / LINE;
  int four = threadIdx.x % LINE;
  int columns = within(from.columns - 4 * four, 4);
  const float* at = from.first + ((i64)(first + row) * from.row + 4 * four * from.column);
  if (from.vector) {
#pragma unroll
    for (int i = 0; i < ROUNDS; i++) {
      copy_async<16>(to.at(row, four / 8 * 32, four % 8), at, row < count && columns > 0);
      row += THREADS / LINE;
      at += THREADS / LINE * from.row;
    }
  } else {
#pragma unroll 1
    for (int i = 0; i < 4 * ROUNDS; i++) {
      copy_async<4>(
          to.at(row, four / 8 * 32, four % 8) + i % 4,
          at + i % 4 * from.column,
          row < count && i % 4 < columns);
      if (i % 4 == 3) {
        row += THREADS / LINE;
        at += THREADS / LINE * from.row;
      }
    }
  }
}

// Waits for what this thread loads.
__device__ inline void await_loads() {
  commit_copies();
  await_copies();
}

// Waits for what the block loads, and until all of its threads are done with what is to be replaced.
__device__ inline void arrive() {
  await_loads();
  __syncthreads();
}

template <int N>
__device__ inline void clear(float (&sums)[N][4]) {
#pragma unroll
  for (int n = 0; n < N; n++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      sums[n][i] = 0;
    }
  }
}

__device__ inline void add(float (&sums)[4], const float (&added)[4]) {
#pragma unroll
  for (int i = 0; i < 4; i++) {
    sums[i] += added[i];
  }
}

// Products of the warp's rows of a with rows of b: a b^T. The order of a sum is free: a lane's four
// columns are its part of two products of 8 steps.
template <int WIDTH>
__device__ inline void products(
    Sums<STEP>& sums, const Tile<WIDTH>& a, const Tile<WIDTH>& b, i64 depth) {
  clear(sums);
#pragma unroll 1
  for (int start = 0; start < (int)depth; start += 16) {
    int column = start / 32 * 32;
    int four = start % 32 / 4 + lane_column();
    Four upper = a.read(upper_row(), column, four);
    Four lower = a.below(8).read(upper_row(), column, four);
    Split left[2][4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
      left[i / 2][i % 2 * 2] = tf32::split(upper.x[i]);
      left[i / 2][i % 2 * 2 + 1] = tf32::split(lower.x[i]);
    }
#pragma unroll
    for (int n = 0; n < STEP / 8; n++) {
      Four values = b.below(8 * n).read(lane_row(), column, four);
      float added[4] = {0, 0, 0, 0};
#pragma unroll
      for (int i = 0; i < 2; i++) {
        Split right[2] = {tf32::split(values.x[2 * i]), tf32::split(values.x[2 * i + 1])};
        tf32::accumulate(added, left[i], right);
      }
      add(sums[n], added);
    }
  }
}

// Adds weights times rows of b, and uses the weights up: they move to where registers are named in
// a loop, which when unrolled needs too many. Weights 2 t and 2 t + 1 are a thread's own, and taken
// for its t and t + 4.
template <int WIDTH>
__device__ inline void add_weighted(
    Sums<WIDTH>& sums, Sums<STEP>& weights, const Tile<WIDTH>& b) {
#pragma unroll 1
  for (int row = 0; row < STEP; row += 16) {
    Split left[2][4];
#pragma unroll
    for (int i = 0; i < 8; i++) {
      left[i / 4][i % 2 * 2 + i % 4 / 2] = tf32::split(weights[i / 4][i % 4]);
    }
#pragma unroll
    for (int column = 0; column < WIDTH; column += 32) {
      Four values[4];
#pragma unroll
      for (int i = 0; i < 4; i++) {
        Tile<WIDTH> rows = b.below(i / 2 * 8).below(row);
        values[i] = rows.read(2 * lane_column() + i % 2, column, lane_row());
      }
#pragma unroll
      for (int j = 0; j < 4; j++) {
        float added[4] = {0, 0, 0, 0};
#pragma unroll
        for (int i = 0; i < 2; i++) {
          Split right[2] = {
              tf32::split(values[2 * i].x[j]), tf32::split(values[2 * i + 1].x[j])};
          tf32::accumulate(added, left[i], right);
        }
        add(sums[column / 8 + j], added);
      }
    }
#pragma unroll
    for (int n = 0; n < STEP / 8 - 2; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        weights[n][i] = weights[n + 2][i];
      }
    }
  }
}

// Multiplies the sums of each of the thread's rows by a factor.
template <int N>
__device__ inline void multiply(float (&sums)[N][4], const float (&factors)[2]) {
#pragma unroll
  for (int n = 0; n < N; n++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      sums[n][i] *= factors[i / 2];
    }
  }
}

// Stores sums of add_weighted, those of the thread's upper (0) or lower (1) row, times a factor. Of
// each 32 columns a lane has 8.
template <int N>
__device__ inline void store(
    float* to, i64 columns, const float (&sums)[N][4], int lower, float factor) {
  bool aligned = are_aligned((u64)to);
#pragma unroll
  for (int n = 0; n < N; n += 4) {
#pragma unroll
    for (int odd = 0; odd < 2; odd++) {
      float values[4];
#pragma unroll
      for (int j = 0; j < 4; j++) {
        values[j] = sums[n + j][2 * lower + odd] * factor;
      }
      store_quad(to, values, 8 * n + 8 * lane_column() + 4 * odd, columns, aligned);
    }
  }
}

// Maxima or sums over the lanes of a row.
template <bool MAXIMUM>
__device__ inline float fold_lanes(float x) {
#pragma unroll
  for (int lane = 1; lane < 4; lane *= 2) {
    float other = __shfl_xor_sync(0xffffffff, x, lane);
    x = MAXIMUM ? larger_score(other, x) : x + other;
  }
  return x;
}

// Replaces all but the columns from begin to end in the thread's upper (0) or lower (1) row.
__device__ inline void hide(Sums<STEP>& scores, int lower, int begin, int end, float by) {
  if (begin > 0 || end < STEP) {
#pragma unroll
    for (int n = 0; n < STEP / 8; n++) {
#pragma unroll
      for (int odd = 0; odd < 2; odd++) {
        int column = 8 * n + 2 * lane_column() + odd;
        if (column < begin || column >= end) {
          scores[n][2 * lower + odd] = by;
        }
      }
    }
  }
}

// Scales products of the thread's upper or lower row, and adds the mask to the columns from begin to
// end. The mask's first element is at an index, and the others are so far apart.
__device__ inline void to_scores(
    Sums<STEP>& scores,
    int lower,
    float scale,
    const float* mask,
    i64 first,
    i64 apart,
    int begin,
    int end) {
#pragma unroll
  for (int n = 0; n < STEP / 8; n++) {
    scores[n][2 * lower] *= scale;
    scores[n][2 * lower + 1] *= scale;
  }
  if (mask) {
    mask += first + 2 * lane_column() * apart;
#pragma unroll
    for (int n = 0; n < STEP / 8; n++) {
#pragma unroll
      for (int odd = 0; odd < 2; odd++) {
        int column = 8 * n + 2 * lane_column() + odd;
        if (begin <= column && column < end) {
          scores[n][2 * lower + odd] += mask[odd * apart];
        }
      }
      mask += 8 * apart;
    }
  }
}

// Makes scores of products of a query, of which only those with visible keys are not hidden.
__device__ inline void to_scores(
    Sums<STEP>& scores,
    int lower,
    float scale,
    const float* mask,
    const Sizes& sizes,
    int query,
    int key) {
  int end = query < sizes.queries ? within(visible_to(query + 1, sizes) - key, STEP) : 0;
  i64 first = query * sizes.mask_row + key * sizes.mask_column;
  to_scores(scores, lower, scale, mask, first, sizes.mask_column, 0, end);
  hide(scores, lower, 0, end, hidden());
}

// What is known of the weights of a thread's two rows, with the maximum of a row so far (Milakov,
// Gimelshein, Online normalizer calculation for softmax, 2018).
struct Normalizer {
  float maxima[2] = {hidden(), hidden()};
  float sums[2] = {0, 0}; // of this lane

  __device__ float shift(int lower) const {
    return maxima[lower] == hidden() ? 0.0f : maxima[lower];
  }

  // Makes weights of scores; gives the factor of what was summed before.
  __device__ float to_weights(Sums<STEP>& scores, int lower) {
    float maximum = hidden();
#pragma unroll
    for (int n = 0; n < STEP / 8; n++) {
      maximum = larger_score(scores[n][2 * lower], maximum);
      maximum = larger_score(scores[n][2 * lower + 1], maximum);
    }
    float before = maxima[lower];
    maxima[lower] = larger_score(fold_lanes<true>(maximum), before);
    float subtracted = shift(lower);
    float factor = scalar::exp_negative(before - subtracted);
    float sum = sums[lower] * factor;
#pragma unroll
    for (int n = 0; n < STEP / 8; n++) {
#pragma unroll
      for (int odd = 0; odd < 2; odd++) {
        float& score = scores[n][2 * lower + odd];
        score = scalar::exp_negative(score - subtracted);
        sum += score;
      }
    }
    sums[lower] = sum;
    return factor;
  }
};

template <int WIDTH>
__device__ inline void attention(
    float* to,
    const float* q,
    const float* k,
    const float* v,
    const float* mask,
    float scale,
    const Parts& parts,
    const Sizes& sizes,
    const Walk& heads) {
  Tile<WIDTH> query_tile = {0};
  Tile<WIDTH> key_tile = query_tile.below(ROWS);
  Tile<WIDTH> value_tile = key_tile.below(STEP);
  // With causality, late tiles have the most work: they come first.
  i64 tiles = (sizes.queries + ROWS - 1) / ROWS;
  i64 part = blockIdx.x % parts.count;
  i64 head = blockIdx.x / parts.count % heads.count;
  int first = (int)(tiles - 1 - blockIdx.x / parts.count / heads.count) * ROWS;
  i64 at[4];
  locate(heads, (u32)head, at);
  Matrix queries = matrix(q + at[0], sizes.queries, sizes.size, sizes.q_row, sizes.q_column);
  Matrix keys = matrix(k + at[1], sizes.keys, sizes.size, sizes.k_row, sizes.k_column);
  Matrix values =
      matrix(v + at[2], sizes.keys, sizes.value_size, sizes.v_row, sizes.v_column);
  mask = mask ? mask + at[3] : mask;
  i64 visible = visible_to(first + ROWS, sizes);
  i64 part_end = (part + 1) * parts.length;
  int start = (int)(part * parts.length);
  int end = (int)(part_end < visible ? part_end : visible);
  int row = first + upper_row();
  Sums<WIDTH> result;
  clear(result);
  Normalizer normalizer;
  load<ROWS>(query_tile, queries, first);
  load<STEP>(key_tile, keys, start);
  for (int key = start; key < end; key += STEP) {
    arrive();
    load<STEP>(value_tile, values, key);
    Sums<STEP> weights;
    products(weights, query_tile, key_tile, sizes.size);
    arrive();
    if (key + STEP < end) {
      load<STEP>(key_tile, keys, key + STEP);
    }
    float factors[2];
#pragma unroll
    for (int lower = 0; lower < 2; lower++) {
      to_scores(weights, lower, scale, mask, sizes, row + 8 * lower, key);
      factors[lower] = normalizer.to_weights(weights, lower);
    }
    multiply(result, factors);
    add_weighted(result, weights, value_tile);
  }
  await_loads();
#pragma unroll
  for (int lower = 0; lower < 2; lower++) {
    float sum = fold_lanes<false>(normalizer.sums[lower]);
    float factor = parts.count > 1 ? 1.0f : sum == 0 ? 0.0f : 1 / sum;
    int query = row + 8 * lower;
    if (query < sizes.queries) {
      i64 at_row = (head * sizes.queries + query) * parts.count + part;
      store(to + at_row * sizes.value_size, sizes.value_size, result, lower, factor);
      if (parts.count > 1 && lane_column() == 0) {
        i64 rows = heads.count * sizes.queries * parts.count;
        float* of_row = to + rows * sizes.value_size + at_row;
        of_row[0] = normalizer.maxima[lower];
        of_row[rows] = sum;
      }
    }
  }
}

#define ATTENTION(WIDTH, BLOCKS)                                                                   \
  KERNEL __launch_bounds__(THREADS, BLOCKS) attention_mma_##WIDTH##_f32(                           \
      float* to,                                                                                   \
      const float* q,                                                                              \
      const float* k,                                                                              \
      const float* v,                                                                              \
      const float* mask,                                                                           \
      float scale,                                                                                 \
      Parts parts,                                                                                 \
      Sizes sizes,                                                                                 \
      Walk heads) {                                                                                \
    attention<WIDTH>(to, q, k, v, mask, scale, parts, sizes, heads);                               \
  }

ATTENTION(64, 3)
ATTENTION(128, 2)

// A lane's part of the product of two rows.
__device__ inline float dot_of_lane(const Matrix& a, const Matrix& b, int row) {
  float sum = 0;
  for (i64 column = 4 * lane_column(); column < a.columns; column += 16) {
    Four x = four(a, row, column);
    Four y = four(b, row, column);
#pragma unroll
    for (int c = 0; c < 4; c++) {
      sum = fmaf(x.x[c], y.x[c], sum);
    }
  }
  return sum;
}

// The gradient by a tile of queries; also leaves their statistics.
template <int WIDTH>
__device__ inline void query_grad(float* to, float* statistics, GRAD_PARAMETERS) {
  Tile<WIDTH> query_tile = {0};
  Tile<WIDTH> gradient_tile = query_tile.below(ROWS);
  Tile<WIDTH> key_tile = gradient_tile.below(ROWS);
  Tile<WIDTH> value_tile = key_tile.below(STEP);
  i64 tiles = (sizes.queries + ROWS - 1) / ROWS;
  i64 head = blockIdx.x % heads.count;
  int first = (int)(tiles - 1 - blockIdx.x / heads.count) * ROWS;
  Operands all = operands_of(
      head, q, k, v, output, gradient, mask, sizes, outputs, heads, output_heads);
  int visible = (int)visible_to(first + ROWS, sizes);
  load<ROWS>(query_tile, all.q, first);
  load<ROWS>(gradient_tile, all.gradient, first);
  load<STEP>(value_tile, all.v, 0);
  int row = first + upper_row();
  float means[2];
#pragma unroll
  for (int lower = 0; lower < 2; lower++) {
    means[lower] = fold_lanes<false>(dot_of_lane(all.gradient, all.output, row + 8 * lower));
  }
  Sums<WIDTH> sums;
  clear(sums);
  Normalizer normalizer;
  for (int key = 0; key < visible; key += STEP) {
    arrive();
    load<STEP>(key_tile, all.k, key);
    Sums<STEP> gradients;
    products(gradients, gradient_tile, value_tile, sizes.value_size);
    arrive();
    if (key + STEP < visible) {
      load<STEP>(value_tile, all.v, key + STEP);
    }
    Sums<STEP> weights;
    products(weights, query_tile, key_tile, sizes.size);
    float factors[2];
#pragma unroll
    for (int lower = 0; lower < 2; lower++) {
      to_scores(weights, lower, scale, all.mask, sizes, row + 8 * lower, key);
      factors[lower] = normalizer.to_weights(weights, lower);
    }
#pragma unroll
    for (int n = 0; n < STEP / 8; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        weights[n][i] *= gradients[n][i] - means[i / 2];
      }
    }
    multiply(sums, factors);
    add_weighted(sums, weights, key_tile);
  }
  await_loads();
  Statistics found = statistics_of(statistics, heads.count * sizes.queries);
#pragma unroll
  for (int lower = 0; lower < 2; lower++) {
    float sum = fold_lanes<false>(normalizer.sums[lower]);
    float inverse = sum == 0 ? 0.0f : 1 / sum;
    int query = row + 8 * lower;
    if (query < sizes.queries) {
      i64 at = head * sizes.queries + query;
      store(to + at * sizes.size, sizes.size, sums, lower, inverse * scale);
      if (lane_column() == 0) {
        found.shifts[at] = normalizer.shift(lower);
        found.inverses[at] = inverse;
        found.means[at] = means[lower];
      }
    }
  }
}

// Begins to load the statistics of a tile of queries.
__device__ inline void load(
    float* to, const Statistics& from, i64 head, int first, i64 queries) {
  int query = first + threadIdx.x;
  if (threadIdx.x < STEP) {
    i64 at = head * queries + query;
    copy_async<4>(to + threadIdx.x, from.shifts + at, query < queries);
    copy_async<4>(to + STEP + threadIdx.x, from.inverses + at, query < queries);
    copy_async<4>(to + 2 * STEP + threadIdx.x, from.means + at, query < queries);
  }
}

// A tile of keys along the queries of all heads of their group.
template <int WIDTH>
__device__ inline void key_grad(
    float* to_keys, float* to_values, i64 group, float* statistics, GRAD_PARAMETERS) {
  Tile<WIDTH> key_tile = {0};
  Tile<WIDTH> value_tile = key_tile.below(ROWS);
  Tile<WIDTH> query_tile = value_tile.below(ROWS);
  Tile<WIDTH> gradient_tile = query_tile.below(STEP);
  float* shifts = (float*)dynamic_shared + gradient_tile.below(STEP).first;
  float* inverses = shifts + STEP;
  float* means = inverses + STEP;
  i64 key_heads = heads.count / group;
  i64 key_head = blockIdx.x % key_heads;
  int first = (int)(blockIdx.x / key_heads) * ROWS;
  int row = first + upper_row();
  Statistics known = statistics_of(statistics, heads.count * sizes.queries);
  Sums<WIDTH> key_sums;
  Sums<WIDTH> value_sums;
  clear(key_sums);
  clear(value_sums);
  Operands of_group = operands_of(
      key_head * group, q, k, v, output, gradient, mask, sizes, outputs, heads, output_heads);
  load<ROWS>(key_tile, of_group.k, first);
  load<ROWS>(value_tile, of_group.v, first);
  // With causality, earlier queries see none of these keys, and maybe no query does.
  int start = sizes.causal ? first : 0;
  i64 heads_end = start < sizes.queries ? (key_head + 1) * group : 0;
  for (i64 head = key_head * group; head < heads_end; head++) {
    Operands all = operands_of(
        head, q, k, v, output, gradient, mask, sizes, outputs, heads, output_heads);
    load<STEP>(query_tile, all.q, start);
    load(shifts, known, head, start, sizes.queries);
    for (int query = start; query < sizes.queries; query += STEP) {
      arrive();
      load<STEP>(gradient_tile, all.gradient, query);
      Sums<STEP> weights;
      products(weights, key_tile, query_tile, sizes.size);
#pragma unroll
      for (int lower = 0; lower < 2; lower++) {
        int key = row + 8 * lower;
        int begin = sizes.causal ? within(key - query, STEP) : 0;
        int end = key < sizes.keys ? within(sizes.queries - query, STEP) : 0;
        i64 first_of_mask = query * sizes.mask_row + key * sizes.mask_column;
        to_scores(
            weights, lower, scale, all.mask, first_of_mask, sizes.mask_row, begin, end);
#pragma unroll
        for (int n = 0; n < STEP / 8; n++) {
#pragma unroll
          for (int odd = 0; odd < 2; odd++) {
            int column = 8 * n + 2 * lane_column() + odd;
            float& weight = weights[n][2 * lower + odd];
            weight = scalar::exp_negative(weight - shifts[column]) * inverses[column];
          }
        }
        hide(weights, lower, begin, end, 0);
      }
      arrive();
      Sums<STEP> gradients;
      products(gradients, value_tile, gradient_tile, sizes.value_size);
#pragma unroll
      for (int n = 0; n < STEP / 8; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          gradients[n][i] -= means[8 * n + 2 * lane_column() + i % 2];
          gradients[n][i] *= weights[n][i];
        }
      }
      add_weighted(key_sums, gradients, query_tile);
      arrive();
      if (query + STEP < sizes.queries) {
        load<STEP>(query_tile, all.q, query + STEP);
        load(shifts, known, head, query + STEP, sizes.queries);
      }
      add_weighted(value_sums, weights, gradient_tile);
    }
  }
  await_loads();
#pragma unroll
  for (int lower = 0; lower < 2; lower++) {
    int key = row + 8 * lower;
    if (key < sizes.keys) {
      i64 at = key_head * sizes.keys + key;
      store(to_keys + at * sizes.size, sizes.size, key_sums, lower, scale);
      store(to_values + at * sizes.value_size, sizes.value_size, value_sums, lower, 1);
    }
  }
}

#define ATTENTION_GRAD(WIDTH, QUERY_BLOCKS, KEY_BLOCKS)                                           \
  KERNEL __launch_bounds__(THREADS, QUERY_BLOCKS) attention_mma_query_grad_##WIDTH##_f32(          \
      float* to, float* statistics, GRAD_PARAMETERS) {                                             \
    query_grad<WIDTH>(to, statistics, GRAD_ARGUMENTS);                                             \
  }                                                                                                \
  KERNEL __launch_bounds__(THREADS, KEY_BLOCKS) attention_mma_key_grad_##WIDTH##_f32(              \
      float* to_keys, float* to_values, i64 group, float* statistics, GRAD_PARAMETERS) {           \
    key_grad<WIDTH>(to_keys, to_values, group, statistics, GRAD_ARGUMENTS);                        \
  }

ATTENTION_GRAD(64, 3, 2)
ATTENTION_GRAD(128, 2, 2)

// Attention without a matrix of all scores (Dao et al., FlashAttention, 2022): a block of 128 threads
// takes a tile of rows, LANES threads for each, along tiles of COLUMNS columns.

typedef struct {
  i64 queries, keys, size, value_size;
  i64 causal;
  i64 q_row, q_column; // elements between neighbours
  i64 k_row, k_column;
  i64 v_row, v_column;
  i64 mask_row, mask_column;
} Sizes;

// The attention's output and its gradient.
typedef struct {
  i64 row, column; // elements between neighbours
  i64 gradient_row, gradient_column;
} Outputs;

// How keys are split among blocks: the results of parts lie side by side, and behind all of them the
// maxima and the sums.
typedef struct {
  i64 count;
  i64 length;
} Parts;

#define COLUMNS 32

// The larger of two, NaN if either is.
static inline float larger_score(float x, float y) {
  return x > y || isnan(x) ? x : y;
}

static inline float dot_of(
    const global float *x, i64 x_step, const global float *y, i64 y_step, i64 count) {
  float sum = 0;
  for (i64 i = 0; i < count; i++) {
    sum = fma(x[i * x_step], y[i * y_step], sum);
  }
  return sum;
}

// Number of keys that a query sees.
static inline i64 seen_by(i64 query, const Sizes *sizes) {
  return sizes->causal ? min(query + 1, sizes->keys) : sizes->keys;
}

static inline float score_of(
    const global float *q, const global float *k, const global float *mask, float scale,
    const Sizes *sizes, i64 query, i64 key) {
  float score = scale
      * dot_of(q + query * sizes->q_row, sizes->q_column, k + key * sizes->k_row, sizes->k_column,
          sizes->size);
  return mask ? score + mask[query * sizes->mask_row + key * sizes->mask_column] : score;
}

// Turns the scores of a row to weights, with the maximum and the sum of the row so far (Milakov,
// Gimelshein, Online normalizer calculation for softmax, 2018); gives the factor of what was summed
// before.
static inline float to_weights(
    local float *scores, u32 lane, u32 lanes, int count, float *most, float *sum) {
  WAIT;
  float max = *most;
  for (int j = 0; j < count; j++) {
    max = larger_score(scores[j], max);
  }
  float shift = max == -INFINITY ? 0.0f : max;
  float factor = exp_negative(*most - shift);
  *most = max;
  WAIT;
  for (int j = (int)lane; j < count; j += lanes) {
    scores[j] = exp_negative(scores[j] - shift);
  }
  WAIT;
  *sum *= factor;
  for (int j = 0; j < count; j++) {
    *sum += scores[j];
  }
  return factor;
}

#define ATTENTION(NAME, ROWS, WIDTH) \
  kernel __attribute__((reqd_work_group_size(128, 1, 1))) void NAME( \
      PASS(float, to), PASS(const float, q), PASS(const float, k), PASS(const float, v), \
      PASS(const float, mask), float scale, Parts parts, Sizes sizes, Walk heads) { \
    TAKE(float, to); \
    TAKE(const float, q); \
    TAKE(const float, k); \
    TAKE(const float, v); \
    TAKE_OPTIONAL(const float, mask); \
    local float weights[ROWS][COLUMNS + 1]; \
    const u32 lanes = 128 / ROWS; \
    i64 tiles = (sizes.queries + ROWS - 1) / ROWS; \
    i64 part = BLOCK_X % parts.count; \
    i64 head = BLOCK_X / parts.count % heads.count; \
    i64 first = (tiles - 1 - BLOCK_X / parts.count / heads.count) * ROWS; \
    i64 at[4]; \
    locate_all(&heads, (u32)head, 4, at); \
    q += at[0]; \
    k += at[1]; \
    v += at[2]; \
    mask = mask ? mask + at[3] : mask; \
    u32 row = THREAD / lanes; \
    u32 lane = THREAD % lanes; \
    i64 query = first + row; \
    bool real = query < sizes.queries; \
    i64 seen = real ? seen_by(query, &sizes) : 0; \
    i64 end = min((part + 1) * parts.length, seen_by(first + ROWS - 1, &sizes)); \
    float result[WIDTH / (128 / ROWS)]; \
    for (u32 c = 0; c < WIDTH / lanes; c++) { \
      result[c] = 0; \
    } \
    float most = -INFINITY; \
    float sum = 0; \
    for (i64 key = part * parts.length; key < end; key += COLUMNS) { \
      int count = (int)min((i64)COLUMNS, end - key); \
      for (int j = (int)lane; j < count; j += lanes) { \
        weights[row][j] = key + j < seen \
            ? score_of(q, k, mask, scale, &sizes, query, key + j) : -INFINITY; \
      } \
      float factor = to_weights(weights[row], lane, lanes, count, &most, &sum); \
      for (u32 c = 0; c < WIDTH / lanes; c++) { \
        result[c] *= factor; \
      } \
      for (int j = 0; j < count; j++) { \
        const global float *value = v + (key + j) * sizes.v_row; \
        for (u32 c = 0, x = lane; c < WIDTH / lanes; c++, x += lanes) { \
          if (x < sizes.value_size) { \
            result[c] = fma(weights[row][j], value[x * sizes.v_column], result[c]); \
          } \
        } \
      } \
      WAIT; \
    } \
    float factor = parts.count > 1 ? 1.0f : sum == 0 ? 0.0f : 1.0f / sum; \
    i64 at_row = (head * sizes.queries + query) * parts.count + part; \
    for (u32 c = 0, x = lane; c < WIDTH / lanes; c++, x += lanes) { \
      if (real && x < sizes.value_size) { \
        to[at_row * sizes.value_size + x] = result[c] * factor; \
      } \
    } \
    if (parts.count > 1 && real && lane == 0) { \
      i64 rows = heads.count * sizes.queries * parts.count; \
      global float *of_row = to + rows * sizes.value_size + at_row; \
      of_row[0] = most; \
      of_row[rows] = sum; \
    } \
  }

ATTENTION(attention_128x64_f32, 128, 64)
ATTENTION(attention_128x128_f32, 128, 128)
ATTENTION(attention_16x64_f32, 16, 64)
ATTENTION(attention_16x128_f32, 16, 128)

// Joins the parts of a row: a block for each row.
kernel void attention_join_f32(
    PASS(float, to), PASS(const float, from), i64 rows, i64 parts, i64 value_size) {
  TAKE(float, to);
  TAKE(const float, from);
  i64 row = BLOCK_X;
  const global float *values = from + row * parts * value_size;
  const global float *maxima = from + rows * parts * value_size + row * parts;
  const global float *sums = maxima + rows * parts;
  float most = -INFINITY;
  for (i64 part = 0; part < parts; part++) {
    most = larger_score(maxima[part], most);
  }
  float shift = most == -INFINITY ? 0.0f : most;
  for (i64 j = THREAD; j < value_size; j += THREADS) {
    float sum = 0;
    float result = 0;
    for (i64 part = 0; part < parts; part++) {
      float factor = exp_negative(maxima[part] - shift);
      sum = fma(sums[part], factor, sum);
      result = fma(values[part * value_size + j], factor, result);
    }
    to[row * value_size + j] = sum == 0 ? 0.0f : result / sum;
  }
}

// The gradients need the weights again: exp(score - shift) / sum for each query. A first pass finds
// the shifts, the inverses of the sums, and the sums over gradient * output, behind each other.

#define GRAD_ROWS 64
#define GRAD_LANES 2

#define GRAD_PARAMETERS \
  PASS(const float, q), PASS(const float, k), PASS(const float, v), PASS(const float, output), \
      PASS(const float, gradient), PASS(const float, mask), float scale, Sizes sizes, \
      Outputs outputs, Walk heads, Walk output_heads

#define TAKE_GRAD \
  TAKE(float, statistics); \
  TAKE(const float, q); \
  TAKE(const float, k); \
  TAKE(const float, v); \
  TAKE(const float, output); \
  TAKE(const float, gradient); \
  TAKE_OPTIONAL(const float, mask); \
  u32 row = THREAD / GRAD_LANES; \
  u32 lane = THREAD % GRAD_LANES; \
  i64 rows = heads.count * sizes.queries

// Moves to the operands of a head.
#define FIND_HEAD(head) \
  i64 at[4]; \
  i64 output_at[2]; \
  locate_all(&heads, (u32)(head), 4, at); \
  locate_all(&output_heads, (u32)(head), 2, output_at); \
  const global float *head_q = q + at[0]; \
  const global float *head_k = k + at[1]; \
  const global float *head_v = v + at[2]; \
  const global float *head_mask = mask ? mask + at[3] : mask; \
  const global float *head_output = output + output_at[0]; \
  const global float *head_gradient = gradient + output_at[1]

kernel __attribute__((reqd_work_group_size(128, 1, 1))) void attention_statistics_f32(
    PASS(float, statistics), GRAD_PARAMETERS) {
  TAKE_GRAD;
  local float weights[GRAD_ROWS][COLUMNS + 1];
  i64 head = BLOCK_X % heads.count;
  i64 first = BLOCK_X / heads.count * GRAD_ROWS;
  FIND_HEAD(head);
  i64 query = first + row;
  bool real = query < sizes.queries;
  i64 seen = real ? seen_by(query, &sizes) : 0;
  i64 end = seen_by(first + GRAD_ROWS - 1, &sizes);
  float most = -INFINITY;
  float sum = 0;
  for (i64 key = 0; key < end; key += COLUMNS) {
    int count = (int)min((i64)COLUMNS, end - key);
    for (int j = (int)lane; j < count; j += GRAD_LANES) {
      weights[row][j] = key + j < seen
          ? score_of(head_q, head_k, head_mask, scale, &sizes, query, key + j)
          : -INFINITY;
    }
    to_weights(weights[row], lane, GRAD_LANES, count, &most, &sum);
    WAIT;
  }
  if (real && lane == 0) {
    i64 to = head * sizes.queries + query;
    statistics[to] = most == -INFINITY ? 0.0f : most;
    statistics[rows + to] = sum == 0 ? 0.0f : 1.0f / sum;
    statistics[2 * rows + to] = dot_of(
        head_gradient + query * outputs.gradient_row, outputs.gradient_column,
        head_output + query * outputs.row, outputs.column, sizes.value_size);
  }
}

// The weight of a key for a query, and what its score's gradient is.
static inline float2 weight_and_slope(
    const global float *q, const global float *k, const global float *v, const global float *mask,
    const global float *gradient, const global float *statistics, i64 rows, i64 head, float scale,
    const Sizes *sizes, const Outputs *outputs, i64 query, i64 key) {
  if (query >= sizes->queries || key >= seen_by(query, sizes)) {
    return (float2)(0.0f, 0.0f);
  }
  const global float *of_query = statistics + (head * sizes->queries + query);
  float score = score_of(q, k, mask, scale, sizes, query, key);
  float weight = exp_negative(score - of_query[0]) * of_query[rows];
  float share = dot_of(
      gradient + query * outputs->gradient_row, outputs->gradient_column, v + key * sizes->v_row,
      sizes->v_column, sizes->value_size);
  return (float2)(weight, weight * (share - of_query[2 * rows]));
}

#define WEIGHT_AND_SLOPE(query, key) \
  weight_and_slope( \
      head_q, head_k, head_v, head_mask, head_gradient, statistics, rows, head, scale, &sizes, \
      &outputs, query, key)

#define QUERY_GRAD(WIDTH) \
  kernel __attribute__((reqd_work_group_size(128, 1, 1))) void attention_query_grad_##WIDTH##_f32( \
      PASS(float, to), PASS(float, statistics), GRAD_PARAMETERS) { \
    TAKE(float, to); \
    TAKE_GRAD; \
    local float slopes[GRAD_ROWS][COLUMNS + 1]; \
    i64 tiles = (sizes.queries + GRAD_ROWS - 1) / GRAD_ROWS; \
    i64 head = BLOCK_X % heads.count; \
    i64 first = (tiles - 1 - BLOCK_X / heads.count) * GRAD_ROWS; \
    FIND_HEAD(head); \
    i64 query = first + row; \
    i64 end = seen_by(first + GRAD_ROWS - 1, &sizes); \
    float sums[WIDTH / GRAD_LANES]; \
    for (int c = 0; c < WIDTH / GRAD_LANES; c++) { \
      sums[c] = 0; \
    } \
    for (i64 key = 0; key < end; key += COLUMNS) { \
      int count = (int)min((i64)COLUMNS, end - key); \
      for (int j = (int)lane; j < count; j += GRAD_LANES) { \
        slopes[row][j] = WEIGHT_AND_SLOPE(query, key + j).y; \
      } \
      WAIT; \
      for (int j = 0; j < count; j++) { \
        const global float *of_key = head_k + (key + j) * sizes.k_row; \
        for (int c = 0, x = (int)lane; c < WIDTH / GRAD_LANES; c++, x += GRAD_LANES) { \
          if (x < sizes.size) { \
            sums[c] = fma(slopes[row][j], of_key[x * sizes.k_column], sums[c]); \
          } \
        } \
      } \
      WAIT; \
    } \
    to += (head * sizes.queries + query) * sizes.size; \
    for (int c = 0, x = (int)lane; c < WIDTH / GRAD_LANES; c++, x += GRAD_LANES) { \
      if (query < sizes.queries && x < sizes.size) { \
        to[x] = sums[c] * scale; \
      } \
    } \
  }

QUERY_GRAD(64)
QUERY_GRAD(128)

// A tile of keys along the queries of all heads of their group.
#define KEY_GRAD(WIDTH) \
  kernel __attribute__((reqd_work_group_size(128, 1, 1))) void attention_key_grad_##WIDTH##_f32( \
      PASS(float, to_keys), PASS(float, to_values), i64 group, PASS(float, statistics), \
      GRAD_PARAMETERS) { \
    TAKE(float, to_keys); \
    TAKE(float, to_values); \
    TAKE_GRAD; \
    local float2 slopes[GRAD_ROWS][COLUMNS + 1]; \
    i64 key_heads = heads.count / group; \
    i64 key_head = BLOCK_X % key_heads; \
    i64 first = BLOCK_X / key_heads * GRAD_ROWS; \
    i64 key = first + row; \
    float key_sums[WIDTH / GRAD_LANES]; \
    float value_sums[WIDTH / GRAD_LANES]; \
    for (int c = 0; c < WIDTH / GRAD_LANES; c++) { \
      key_sums[c] = 0; \
      value_sums[c] = 0; \
    } \
    for (i64 head = key_head * group; head < (key_head + 1) * group; head++) { \
      FIND_HEAD(head); \
      /* With causality, earlier queries see none of these keys. */ \
      for (i64 query = sizes.causal ? first : 0; query < sizes.queries; query += COLUMNS) { \
        int count = (int)min((i64)COLUMNS, sizes.queries - query); \
        for (int j = (int)lane; j < count; j += GRAD_LANES) { \
          slopes[row][j] = WEIGHT_AND_SLOPE(query + j, key); \
        } \
        WAIT; \
        for (int j = 0; j < count; j++) { \
          float2 slope = slopes[row][j]; \
          const global float *of_query = head_q + (query + j) * sizes.q_row; \
          const global float *of_output = head_gradient + (query + j) * outputs.gradient_row; \
          for (int c = 0, x = (int)lane; c < WIDTH / GRAD_LANES; c++, x += GRAD_LANES) { \
            if (x < sizes.size) { \
              key_sums[c] = fma(slope.y, of_query[x * sizes.q_column], key_sums[c]); \
            } \
            if (x < sizes.value_size) { \
              value_sums[c] = fma(slope.x, of_output[x * outputs.gradient_column], value_sums[c]); \
            } \
          } \
        } \
        WAIT; \
      } \
    } \
    to_keys += (key_head * sizes.keys + key) * sizes.size; \
    to_values += (key_head * sizes.keys + key) * sizes.value_size; \
    for (int c = 0, x = (int)lane; c < WIDTH / GRAD_LANES; c++, x += GRAD_LANES) { \
      if (key < sizes.keys && x < sizes.size) { \
        to_keys[x] = key_sums[c] * scale; \
      } \
      if (key < sizes.keys && x < sizes.value_size) { \
        to_values[x] = value_sums[c]; \
      } \
    } \
  }

KEY_GRAD(64)
KEY_GRAD(128)

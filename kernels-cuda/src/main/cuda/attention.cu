// Attention without a matrix of all scores (Dao et al., FlashAttention, 2022): a block takes a tile of
// rows along tiles of 64 columns. Its 128 threads are 16 groups of rows by 8 groups of columns, and
// a thread has R rows.
#include "attention.cuh"

const int ROW_GROUPS = 16;
const int COLUMN_GROUPS = 8;
const int THREADS = ROW_GROUPS * COLUMN_GROUPS;
const int COLUMNS = 64;
const int DEPTH = 16;

// The most values of a row.
const int WIDEST = 128;

// Shared memory: two matrices side by side in depth, or rows of values; and weights, transposed.
template <int R>
struct alignas(16) Shared {
  static const int ROWS = ROW_GROUPS * R;
  union {
    struct {
      float left[DEPTH][ROWS + 4];
      float right[DEPTH][COLUMNS + 4];
    };
    float values[DEPTH][WIDEST];
  };
  float weights[COLUMNS][ROWS + 4];
};

__device__ inline int row_group() {
  return threadIdx.x / COLUMN_GROUPS;
}

// Columns of a thread are fours, 32 apart.
__device__ inline int column_of(int j) {
  return j / 4 * 32 + threadIdx.x % COLUMN_GROUPS * 4 + j % 4;
}

// Puts rows of a matrix from a depth on into columns of shared memory.
template <int ROWS>
__device__ inline void load(
    float (&to)[DEPTH][ROWS + 4], const Matrix& from, i64 first, i64 depth) {
  const int FOURS = ROWS * DEPTH / 4;
#pragma unroll 2
  for (int i = 0; i < (FOURS + THREADS - 1) / THREADS; i++) {
    int e = i * THREADS + threadIdx.x;
    int row = e / (DEPTH / 4);
    int step = e % (DEPTH / 4) * 4;
    if (FOURS % THREADS == 0 || e < FOURS) {
      Four loaded = four(from, first + row, depth + step);
#pragma unroll
      for (int c = 0; c < 4; c++) {
        to[step + c][row] = loaded.x[c];
      }
    }
  }
}

// Products of the rows of a and b: a b^T.
template <int R>
__device__ inline void products(
    float (&sums)[R][8],
    Shared<R>& shared,
    const Matrix& a,
    i64 first_a,
    const Matrix& b,
    i64 first_b) {
#pragma unroll
  for (int i = 0; i < R; i++) {
#pragma unroll
    for (int j = 0; j < 8; j++) {
      sums[i][j] = 0;
    }
  }
  for (i64 depth = 0; depth < a.columns; depth += DEPTH) {
    __syncthreads();
    load<ROW_GROUPS * R>(shared.left, a, first_a, depth);
    load<COLUMNS>(shared.right, b, first_b, depth);
    __syncthreads();
#pragma unroll 4
    for (int p = 0; p < DEPTH; p++) {
      float left[R];
      float right[8];
#pragma unroll
      for (int i = 0; i < R; i++) {
        left[i] = shared.left[p][row_group() * R + i];
      }
#pragma unroll
      for (int j = 0; j < 8; j++) {
        right[j] = shared.right[p][column_of(j)];
      }
#pragma unroll
      for (int i = 0; i < R; i++) {
#pragma unroll
        for (int j = 0; j < 8; j++) {
          sums[i][j] = fmaf(left[i], right[j], sums[i][j]);
        }
      }
    }
  }
}

// Adds the weighted sums of rows of b, of which there are 8 W columns for 64 weights.
template <int R, int W>
__device__ inline void add_weighted(
    float (&sums)[R][W], Shared<R>& shared, const float (&weights)[R][8], const Matrix& b,
    i64 first) {
  __syncthreads();
#pragma unroll
  for (int j = 0; j < 8; j++) {
#pragma unroll
    for (int i = 0; i < R; i++) {
      shared.weights[column_of(j)][row_group() * R + i] = weights[i][j];
    }
  }
  i64 count = b.rows - first < COLUMNS ? b.rows - first : COLUMNS;
  for (int start = 0; start < count; start += DEPTH) {
    __syncthreads();
    const int FOURS = W * COLUMN_GROUPS / 4;
#pragma unroll 2
    for (int i = 0; i < DEPTH * FOURS / THREADS; i++) {
      int e = i * THREADS + threadIdx.x;
      int row = e / FOURS;
      int column = e % FOURS * 4;
      *(Four*)&shared.values[row][column] = four(b, first + start + row, column);
    }
    __syncthreads();
#pragma unroll 4
    for (int p = 0; p < DEPTH; p++) {
      float left[R];
      float right[W];
#pragma unroll
      for (int i = 0; i < R; i++) {
        left[i] = shared.weights[start + p][row_group() * R + i];
      }
#pragma unroll
      for (int j = 0; j < W; j++) {
        right[j] = shared.values[p][column_of(j)];
      }
#pragma unroll
      for (int i = 0; i < R; i++) {
#pragma unroll
        for (int j = 0; j < W; j++) {
          sums[i][j] = fmaf(left[i], right[j], sums[i][j]);
        }
      }
    }
  }
}

// Maxima or sums over the threads of a row.
template <bool MAXIMUM>
__device__ inline float fold_row(float x) {
#pragma unroll
  for (int lane = 1; lane < COLUMN_GROUPS; lane *= 2) {
    float other = __shfl_xor_sync(0xffffffff, x, lane);
    x = MAXIMUM ? larger_score(other, x) : x + other;
  }
  return x;
}

// Scales the products of a query, adds the mask, and hides the keys that the query does not see.
__device__ inline void to_scores(
    float (&scores)[8],
    float scale,
    const float* mask,
    const Sizes& sizes,
    i64 query,
    i64 key) {
  i64 end = sizes.causal && query + 1 < sizes.keys ? query + 1 : sizes.keys;
  int visible = query >= sizes.queries || end <= key ? 0
      : end - key < COLUMNS                          ? (int)(end - key)
                                                     : COLUMNS;
  const float* row = mask + (query * sizes.mask_row + key * sizes.mask_column);
#pragma unroll
  for (int j = 0; j < 8; j++) {
    scores[j] *= scale;
    if (column_of(j) >= visible) {
      scores[j] = hidden();
    } else if (mask) {
      scores[j] += row[column_of(j) * sizes.mask_column];
    }
  }
}

// Scores of one row to weights, with the maximum of the row so far (Milakov, Gimelshein, Online
// normalizer calculation for softmax, 2018); gives the factor of what was summed before.
__device__ inline float to_weights(float (&scores)[8], float& maximum, float& sum) {
  float max = hidden();
#pragma unroll
  for (int j = 0; j < 8; j++) {
    max = larger_score(scores[j], max);
  }
  max = larger_score(fold_row<true>(max), maximum);
  float shift = max == hidden() ? 0.0f : max;
  float factor = scalar::exp_negative(maximum - shift);
  maximum = max;
  sum *= factor;
#pragma unroll
  for (int j = 0; j < 8; j++) {
    scores[j] = scalar::exp_negative(scores[j] - shift);
    sum += scores[j];
  }
  return factor;
}

// W columns of the result for each thread.
template <int R, int W>
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
  __shared__ Shared<R> shared;
  const int ROWS = ROW_GROUPS * R;
  // With causality, late tiles have the most work: they come first.
  i64 tiles = (sizes.queries + ROWS - 1) / ROWS;
  i64 part = blockIdx.x % parts.count;
  i64 head = blockIdx.x / parts.count % heads.count;
  i64 first = (tiles - 1 - blockIdx.x / parts.count / heads.count) * ROWS;
  i64 at[4];
  locate(heads, (u32)head, at);
  Matrix queries = matrix(q + at[0], sizes.queries, sizes.size, sizes.q_row, sizes.q_column);
  Matrix keys = matrix(k + at[1], sizes.keys, sizes.size, sizes.k_row, sizes.k_column);
  Matrix values =
      matrix(v + at[2], sizes.keys, sizes.value_size, sizes.v_row, sizes.v_column);
  mask = mask ? mask + at[3] : mask;
  i64 visible = visible_to(first + ROWS, sizes);
  i64 part_end = (part + 1) * parts.length;
  i64 end = part_end < visible ? part_end : visible;
  float result[R][W];
  float maxima[R];
  float sums[R];
#pragma unroll
  for (int i = 0; i < R; i++) {
    maxima[i] = hidden();
    sums[i] = 0;
#pragma unroll
    for (int j = 0; j < W; j++) {
      result[i][j] = 0;
    }
  }
  for (i64 key = part * parts.length; key < end; key += COLUMNS) {
    float weights[R][8];
    products(weights, shared, queries, first, keys, key);
#pragma unroll
    for (int i = 0; i < R; i++) {
      to_scores(weights[i], scale, mask, sizes, first + row_group() * R + i, key);
      float factor = to_weights(weights[i], maxima[i], sums[i]);
#pragma unroll
      for (int j = 0; j < W; j++) {
        result[i][j] *= factor;
      }
    }
    add_weighted(result, shared, weights, values, key);
  }
#pragma unroll
  for (int i = 0; i < R; i++) {
    float sum = fold_row<false>(sums[i]);
    float factor = parts.count > 1 ? 1.0f : sum == 0 ? 0.0f : 1 / sum;
    i64 row = first + row_group() * R + i;
    i64 at_row = (head * sizes.queries + row) * parts.count + part;
#pragma unroll
    for (int j = 0; j < W; j++) {
      if (row < sizes.queries && column_of(j) < sizes.value_size) {
        to[at_row * sizes.value_size + column_of(j)] = result[i][j] * factor;
      }
    }
    if (parts.count > 1 && row < sizes.queries && column_of(0) == 0) {
      i64 rows = heads.count * sizes.queries * parts.count;
      float* of_row = to + rows * sizes.value_size + at_row;
      of_row[0] = maxima[i];
      of_row[rows] = sum;
    }
  }
}

#define ATTENTION(ROWS, WIDTH)                                                                    \
  KERNEL __launch_bounds__(128, 2) attention_##ROWS##x##WIDTH##_f32(                               \
      float* to,                                                                                   \
      const float* q,                                                                              \
      const float* k,                                                                              \
      const float* v,                                                                              \
      const float* mask,                                                                           \
      float scale,                                                                                 \
      Parts parts,                                                                                 \
      Sizes sizes,                                                                                 \
      Walk heads) {                                                                                \
    attention<ROWS / 16, WIDTH / 8>(to, q, k, v, mask, scale, parts, sizes, heads);                \
  }

ATTENTION(128, 64)
ATTENTION(128, 128)
ATTENTION(16, 64)
ATTENTION(16, 128)

// Joins the parts of a row: a block for each row.
KERNEL attention_join_f32(float* to, const float* from, i64 rows, i64 parts, i64 value_size) {
  i64 row = blockIdx.x;
  const float* values = from + row * parts * value_size;
  const float* maxima = from + rows * parts * value_size + row * parts;
  const float* sums = maxima + rows * parts;
  float max = hidden();
  for (i64 part = 0; part < parts; part++) {
    max = larger_score(maxima[part], max);
  }
  float shift = max == hidden() ? 0.0f : max;
  for (i64 j = threadIdx.x; j < value_size; j += blockDim.x) {
    float sum = 0;
    float result = 0;
    for (i64 part = 0; part < parts; part++) {
      float factor = scalar::exp_negative(maxima[part] - shift);
      sum = fmaf(sums[part], factor, sum);
      result = fmaf(values[part * value_size + j], factor, result);
    }
    to[row * value_size + j] = sum == 0 ? 0.0f : result / sum;
  }
}

// Rows of a block in the passes for gradients.
const int GRAD_R = 4;
const int GRAD_ROWS = GRAD_R * ROW_GROUPS;

template <int R, int W>
__device__ inline void clear(float (&sums)[R][W]) {
#pragma unroll
  for (int i = 0; i < R; i++) {
#pragma unroll
    for (int j = 0; j < W; j++) {
      sums[i][j] = 0;
    }
  }
}

template <int W>
__device__ inline void store(
    float* to, i64 first, i64 rows, i64 columns, const float (&sums)[GRAD_R][W], float scale) {
#pragma unroll
  for (int i = 0; i < GRAD_R; i++) {
    i64 row = first + row_group() * GRAD_R + i;
#pragma unroll
    for (int j = 0; j < W; j++) {
      if (row < rows && column_of(j) < columns) {
        to[row * columns + column_of(j)] = sums[i][j] * scale;
      }
    }
  }
}

KERNEL __launch_bounds__(128) attention_statistics_f32(float* statistics, GRAD_PARAMETERS) {
  __shared__ Shared<GRAD_R> shared;
  i64 head = blockIdx.x % heads.count;
  i64 first = blockIdx.x / heads.count * GRAD_ROWS;
  Operands all = operands_of(
      head, q, k, v, output, gradient, mask, sizes, outputs, heads, output_heads);
  Statistics to = statistics_of(statistics, heads.count * sizes.queries);
  float maxima[GRAD_R];
  float sums[GRAD_R];
#pragma unroll
  for (int i = 0; i < GRAD_R; i++) {
    maxima[i] = hidden();
    sums[i] = 0;
  }
  i64 visible = visible_to(first + GRAD_ROWS, sizes);
  for (i64 key = 0; key < visible; key += COLUMNS) {
    float weights[GRAD_R][8];
    products(weights, shared, all.q, first, all.k, key);
#pragma unroll
    for (int i = 0; i < GRAD_R; i++) {
      to_scores(weights[i], scale, all.mask, sizes, first + row_group() * GRAD_R + i, key);
      to_weights(weights[i], maxima[i], sums[i]);
    }
  }
#pragma unroll
  for (int i = 0; i < GRAD_R; i++) {
    float sum = fold_row<false>(sums[i]);
    i64 row = first + row_group() * GRAD_R + i;
    float mean = 0;
    for (i64 j = threadIdx.x % COLUMN_GROUPS * 4; j < sizes.value_size; j += COLUMN_GROUPS * 4) {
      Four gradients = four(all.gradient, row, j);
      Four outputs_of_row = four(all.output, row, j);
#pragma unroll
      for (int c = 0; c < 4; c++) {
        mean = fmaf(gradients.x[c], outputs_of_row.x[c], mean);
      }
    }
    mean = fold_row<false>(mean);
    if (row < sizes.queries && threadIdx.x % COLUMN_GROUPS == 0) {
      i64 at = head * sizes.queries + row;
      to.shifts[at] = maxima[i] == hidden() ? 0.0f : maxima[i];
      to.inverses[at] = sum == 0 ? 0.0f : 1 / sum;
      to.means[at] = mean;
    }
  }
}

template <int W>
__device__ inline void query_grad(float* to, float* statistics, GRAD_PARAMETERS) {
  __shared__ Shared<GRAD_R> shared;
  i64 tiles = (sizes.queries + GRAD_ROWS - 1) / GRAD_ROWS;
  i64 head = blockIdx.x % heads.count;
  i64 first = (tiles - 1 - blockIdx.x / heads.count) * GRAD_ROWS;
  Operands all = operands_of(
      head, q, k, v, output, gradient, mask, sizes, outputs, heads, output_heads);
  Statistics from = statistics_of(statistics, heads.count * sizes.queries);
  float sums[GRAD_R][W];
  clear(sums);
  i64 visible = visible_to(first + GRAD_ROWS, sizes);
  for (i64 key = 0; key < visible; key += COLUMNS) {
    float weights[GRAD_R][8];
    products(weights, shared, all.q, first, all.k, key);
    float gradients[GRAD_R][8];
    products(gradients, shared, all.gradient, first, all.v, key);
#pragma unroll
    for (int i = 0; i < GRAD_R; i++) {
      i64 query = first + row_group() * GRAD_R + i;
      to_scores(weights[i], scale, all.mask, sizes, query, key);
      i64 at = head * sizes.queries + query;
      bool inside = query < sizes.queries;
      float shift = inside ? from.shifts[at] : 0.0f;
      float inverse = inside ? from.inverses[at] : 0.0f;
      float mean = inside ? from.means[at] : 0.0f;
#pragma unroll
      for (int j = 0; j < 8; j++) {
        float weight = scalar::exp_negative(weights[i][j] - shift) * inverse;
        weights[i][j] = weight * (gradients[i][j] - mean);
      }
    }
    add_weighted(sums, shared, weights, all.k, key);
  }
  store(to + head * sizes.queries * sizes.size, first, sizes.queries, sizes.size, sums, scale);
}

// A tile of keys along the queries of all heads of their group.
template <int W>
__device__ inline void key_grad(
    float* to_keys, float* to_values, i64 group, float* statistics, GRAD_PARAMETERS) {
  __shared__ Shared<GRAD_R> shared;
  i64 key_heads = heads.count / group;
  i64 key_head = blockIdx.x % key_heads;
  i64 first = blockIdx.x / key_heads * GRAD_ROWS;
  Statistics from = statistics_of(statistics, heads.count * sizes.queries);
  float key_sums[GRAD_R][W];
  float value_sums[GRAD_R][W];
  clear(key_sums);
  clear(value_sums);
  for (i64 head = key_head * group; head < (key_head + 1) * group; head++) {
    Operands all = operands_of(
        head, q, k, v, output, gradient, mask, sizes, outputs, heads, output_heads);
    // With causality, earlier queries see none of these keys.
    i64 start = sizes.causal ? first / COLUMNS * COLUMNS : 0;
    for (i64 query = start; query < sizes.queries; query += COLUMNS) {
      float weights[GRAD_R][8];
      products(weights, shared, all.k, first, all.q, query);
      float gradients[GRAD_R][8];
      products(gradients, shared, all.v, first, all.gradient, query);
#pragma unroll
      for (int j = 0; j < 8; j++) {
        i64 row = query + column_of(j);
        i64 at = head * sizes.queries + row;
        bool inside = row < sizes.queries;
        float shift = inside ? from.shifts[at] : 0.0f;
        float inverse = inside ? from.inverses[at] : 0.0f;
        float mean = inside ? from.means[at] : 0.0f;
#pragma unroll
        for (int i = 0; i < GRAD_R; i++) {
          i64 key = first + row_group() * GRAD_R + i;
          float weight = 0;
          if (inside && key < sizes.keys && !(sizes.causal && key > row)) {
            float score = weights[i][j] * scale;
            if (all.mask) {
              score += all.mask[row * sizes.mask_row + key * sizes.mask_column];
            }
            weight = scalar::exp_negative(score - shift) * inverse;
          }
          weights[i][j] = weight;
          gradients[i][j] = weight * (gradients[i][j] - mean);
        }
      }
      add_weighted(value_sums, shared, weights, all.gradient, query);
      add_weighted(key_sums, shared, gradients, all.q, query);
    }
  }
  to_keys += key_head * sizes.keys * sizes.size;
  to_values += key_head * sizes.keys * sizes.value_size;
  store(to_keys, first, sizes.keys, sizes.size, key_sums, scale);
  store(to_values, first, sizes.keys, sizes.value_size, value_sums, 1);
}

#define ATTENTION_GRAD(WIDTH)                                                                     \
  KERNEL __launch_bounds__(128, 2) attention_query_grad_##WIDTH##_f32(                             \
      float* to, float* statistics, GRAD_PARAMETERS) {                                             \
    query_grad<WIDTH / 8>(to, statistics, GRAD_ARGUMENTS);                                         \
  }                                                                                                \
  KERNEL __launch_bounds__(128, 2) attention_key_grad_##WIDTH##_f32(                               \
      float* to_keys, float* to_values, i64 group, float* statistics, GRAD_PARAMETERS) {           \
    key_grad<WIDTH / 8>(to_keys, to_values, group, statistics, GRAD_ARGUMENTS);                    \
  }

ATTENTION_GRAD(64)
ATTENTION_GRAD(128)

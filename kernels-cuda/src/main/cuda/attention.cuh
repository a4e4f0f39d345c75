// What the kernels of attention share: their parameters, and the rules for scores.
#pragma once
#include "math.cuh"

struct Sizes {
  i64 queries, keys, size, value_size;
  i64 causal;
  i64 q_row, q_column; // elements between neighbours
  i64 k_row, k_column;
  i64 v_row, v_column;
  i64 mask_row, mask_column;
};

// The attention's output and its gradient.
struct Outputs {
  i64 row, column; // elements between neighbours
  i64 gradient_row, gradient_column;
};

// How keys are split among blocks: the results of parts lie side by side, and behind all of them the
// maxima and the sums.
struct Parts {
  i64 count;
  i64 length; // a multiple of the keys of a tile
};

struct alignas(16) Four {
  float x[4];
};

struct Matrix {
  const float* first;
  i64 rows, columns;
  i64 row, column; // elements between neighbours
  bool vector;     // whether fours of a row can be loaded at once
};

__device__ inline Matrix matrix(const float* first, i64 rows, i64 columns, i64 row, i64 column) {
  bool vector = column == 1 && columns % 4 == 0 && row % 4 == 0 && (u64)first % 16 == 0;
  return {first, rows, columns, row, column, vector};
}

// Elements of a row from a column on, a multiple of 4; 0 outside.
__device__ inline Four four(const Matrix& from, i64 row, i64 column) {
  Four result = {};
  if (row < from.rows && column < from.columns) {
    const float* at = from.first + (row * from.row + column * from.column);
    if (from.vector) {
      return *(const Four*)at;
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
      if (column + i < from.columns) {
        result.x[i] = at[i * from.column];
      }
    }
  }
  return result;
}

__device__ inline float hidden() {
  return __int_as_float((int)0xff800000);
}

// The larger of two, NaN if either is.
__device__ inline float larger_score(float x, float y) {
  return x > y || is_nan(x) ? x : y;
}

// Number of keys that the queries before `end` see.
__device__ inline i64 visible_to(i64 end, const Sizes& sizes) {
  return sizes.causal && end < sizes.keys ? end : sizes.keys;
}

// The gradients need the weights again: exp(score - shift) / sum for each query, of which `shifts`
// and `inverses` of the sums come from an earlier pass, with the sums over gradient * output.
struct Statistics {
  float* shifts;
  float* inverses;
  float* means;
};

__device__ inline Statistics statistics_of(float* first, i64 rows) {
  return {first, first + rows, first + 2 * rows};
}

struct Operands {
  Matrix q, k, v, output, gradient;
  const float* mask;
};

__device__ inline Operands operands_of(
    i64 head,
    const float* q,
    const float* k,
    const float* v,
    const float* output,
    const float* gradient,
    const float* mask,
    const Sizes& sizes,
    const Outputs& outputs,
    const Walk& heads,
    const Walk& output_heads) {
  i64 at[4];
  locate(heads, (u32)head, at);
  i64 output_at[2];
  locate(output_heads, (u32)head, output_at);
  return {
      matrix(q + at[0], sizes.queries, sizes.size, sizes.q_row, sizes.q_column),
      matrix(k + at[1], sizes.keys, sizes.size, sizes.k_row, sizes.k_column),
      matrix(v + at[2], sizes.keys, sizes.value_size, sizes.v_row, sizes.v_column),
      matrix(
          output + output_at[0], sizes.queries, sizes.value_size, outputs.row, outputs.column),
      matrix(
          gradient + output_at[1],
          sizes.queries,
          sizes.value_size,
          outputs.gradient_row,
          outputs.gradient_column),
      mask ? mask + at[3] : mask};
}

#define GRAD_PARAMETERS                                                                           \
  const float *q, const float *k, const float *v, const float *output, const float *gradient,      \
      const float *mask, float scale, Sizes sizes, Outputs outputs, Walk heads, Walk output_heads
#define GRAD_ARGUMENTS                                                                            \
  q, k, v, output, gradient, mask, scale, sizes, outputs, heads, output_heads

// Ops on rows that lie one after another.
#include "rows.cuh"

// The most threads of a block.
const int THREADS = 512;
const int SOFTMAX_THREADS = MOST_TEAM;

#define SOFTMAX(NAME, LOG, T)                                                                      \
  KERNEL __launch_bounds__(SOFTMAX_THREADS) NAME(                                                  \
      T* to, const T* x, i64 rows, i64 length, i64 team) {                                         \
    with_row(rows, length, team, (u64)to | (u64)x, [&](auto row) {                            \
      softmax<LOG>(row.of(to), row.of(x), row);                                                    \
    });                                                                                            \
  }

SOFTMAX(softmax_f32, false, float)
SOFTMAX(softmax_bf16, false, Bfloat16)
SOFTMAX(softmax_f16, false, Float16)
SOFTMAX(log_softmax_f32, true, float)
SOFTMAX(log_softmax_bf16, true, Bfloat16)
SOFTMAX(log_softmax_f16, true, Float16)

template <bool LOG, typename ROW>
__device__ inline void softmax_grad(
    float* to, const float* y, const float* g, const ROW& row) {
  y = row.of(y);
  g = row.of(g);
  to = row.of(to);
  float ys[HELD_OF_TWO];
  float gs[HELD_OF_TWO];
  float total = 0;
  sweep_down<HELD_OF_TWO>(row, [&](int start) {
    load(row, start, y, 0, ys);
    load(row, start, g, 0, gs);
    each_run<HELD_OF_TWO>(row, start, [&](int i, int) {
#pragma unroll
      for (int k = i; k < i + 4; k++) {
        total = LOG ? total + gs[k] : fmaf(gs[k], ys[k], total);
      }
    });
  });
  total = sum<0>(row, total);
  sweep_up<HELD_OF_TWO>(row, [&](int start) {
    if (start > 0) {
      load(row, start, y, 0, ys);
      load(row, start, g, 0, gs);
    }
    each_run<HELD_OF_TWO>(row, start, [&](int i, int) {
#pragma unroll
      for (int k = i; k < i + 4; k++) {
        gs[k] = LOG ? fmaf(scalar::exp(ys[k]), -total, gs[k]) : (gs[k] - total) * ys[k];
      }
    });
    store(row, start, to, gs);
  });
}

KERNEL __launch_bounds__(THREADS) softmax_grad_f32(
    float* to, const float* y, const float* g, i64 rows, i64 length, i64 team) {
  with_row(rows, length, team, (u64)to | (u64)y | (u64)g, [&](auto row) {
    softmax_grad<false>(to, y, g, row);
  });
}

KERNEL __launch_bounds__(THREADS) log_softmax_grad_f32(
    float* to, const float* y, const float* g, i64 rows, i64 length, i64 team) {
  with_row(rows, length, team, (u64)to | (u64)y | (u64)g, [&](auto row) {
    softmax_grad<true>(to, y, g, row);
  });
}

#define NORMS(TYPE, T)                                                                             \
  KERNEL __launch_bounds__(THREADS, 1) layer_norm_##TYPE(                                          \
      T* to, const T* x, const T* gamma, const T* beta, float epsilon, i64 rows, i64 length,       \
      i64 team) {                                                                                  \
    with_row(rows, length, team, (u64)to | (u64)x | (u64)gamma | (u64)beta, [&](auto row) {        \
      layer_norm(row.of(to), row.of(x), gamma + row.first, beta + row.first, epsilon, row);        \
    });                                                                                            \
  }                                                                                                \
  KERNEL __launch_bounds__(THREADS) rms_norm_##TYPE(                                               \
      T* to, const T* x, const T* gamma, float epsilon, i64 rows, i64 length, i64 team) {          \
    with_row(rows, length, team, (u64)to | (u64)x | (u64)gamma, [&](auto row) {                    \
      rms_norm(row.of(to), row.of(x), gamma + row.first, epsilon, row);                            \
    });                                                                                            \
  }

NORMS(f32, float)
NORMS(bf16, Bfloat16)
NORMS(f16, Float16)

// A row is a group of channels of some pixels each.
KERNEL __launch_bounds__(THREADS) group_norm_f32(
    float* to, const float* x, const float* gamma, const float* beta, float epsilon, i64 rows,
    i64 length, i64 team, i64 groups, i64 pixels) {
  with_row(rows, length, team, (u64)to | (u64)x, [&](auto row) {
    x = row.of(x);
    to = row.of(to);
    u32 channel = (u32)row.index % (u32)groups * ((u32)length / (u32)pixels);
    bool whole = row.step == 1 && pixels % 4 == 0; // a run is of one channel
    float values[HELD];
    Normal n = normal(row, x, epsilon, true, values);
    map(row, x, to, values, [&](int i, int at) {
      float scale;
      float shift;
#pragma unroll
      for (int k = 0; k < 4; k++) {
        if (k == 0 || !whole) {
          u32 index = row.has(at, k) ? (u32)(row.first + at + k * row.step) : 0;
          u32 c = channel + index / (u32)pixels;
          scale = gamma[c];
          shift = beta[c];
        }
        values[i + k] = fmaf((values[i + k] - n.mean) * n.scale, scale, shift);
      }
    });
  });
}

template <typename ROW>
__device__ inline void load_products(
    const ROW& row,
    int start,
    const float* x,
    const float* y,
    float (&products)[HELD_OF_TWO]) {
  load(row, start, x, 0, products);
  each_run<HELD_OF_TWO>(row, start, [&](int i, int at) {
    float ys[4];
    load_run(row, at, y, 0, ys);
#pragma unroll
    for (int k = 0; k < 4; k++) {
      products[i + k] *= ys[k];
    }
  });
}

// The gradient of x, and mean and inverse deviation of each row for the other gradients.
KERNEL __launch_bounds__(THREADS) norm_grad_f32(
    float* to, Normal* normals, const float* x, const float* gamma, const float* g, float epsilon,
    i64 centred, i64 rows, i64 length, i64 team) {
  with_row(rows, length, team, (u64)to | (u64)x | (u64)gamma | (u64)g, [&](auto row) {
    x = row.of(x);
    g = row.of(g);
    gamma += row.first;
    to = row.of(to);
    float values[HELD_OF_TWO];
    float hs[HELD_OF_TWO];
    Normal n = normal(row, x, epsilon, centred, values);
    Pair totals = {0, 0}; // of h and of h z
    int last = last_start<HELD_OF_TWO>(row);
    sweep_down<HELD_OF_TWO>(row, [&](int start) {
      if (start < last) {
        load(row, start, x, 0, values);
      }
      load_products(row, start, g, gamma, hs);
      each_run<HELD_OF_TWO>(row, start, [&](int i, int) {
#pragma unroll
        for (int k = i; k < i + 4; k++) {
          totals.first += hs[k];
          totals.second = fmaf(hs[k], (values[k] - n.mean) * n.scale, totals.second);
        }
      });
    });
    totals = sum<2>(row, totals);
    float mean_h = centred ? totals.first / row.length : 0;
    float mean_hz = totals.second / row.length;
    sweep_up<HELD_OF_TWO>(row, [&](int start) {
      if (start > 0) {
        load(row, start, x, 0, values);
        load_products(row, start, g, gamma, hs);
      }
      each_run<HELD_OF_TWO>(row, start, [&](int i, int) {
#pragma unroll
        for (int k = i; k < i + 4; k++) {
          values[k] = fmaf((values[k] - n.mean) * n.scale, -mean_hz, hs[k] - mean_h) * n.scale;
        }
      });
      store(row, start, to, values);
    });
    if (row.real && row.lane == 0) {
      normals[row.index] = n;
    }
  });
}

// The gradient of x for rows that fit a block and are multiples of four. A block takes several in turn
// and sums g z and g over them: [2, blocks, length].
KERNEL __launch_bounds__(256, 3) norm_grad_fused_f32(
    float* to, float* parts, const float* x, const float* gamma, const float* g, float epsilon,
    i64 centred, i64 rows, i64 length) {
  u64 addresses = (u64)to | (u64)parts | (u64)x | (u64)gamma | (u64)g;
  with_row(rows, length, blockDim.x, addresses, [&](auto row) {
    row.step = 1; // known to the compiler
    row.real = true;
    float gammas[HELD_OF_FOUR];
    float gamma_grads[HELD_OF_FOUR] = {};
    float beta_grads[HELD_OF_FOUR] = {};
    load(row, 0, gamma + row.first, 0, gammas);
    for (row.index = blockIdx.x; row.index < rows; row.index += gridDim.x) {
      float values[HELD_OF_FOUR];
      float gs[HELD_OF_FOUR];
      load(row, 0, row.of(x), 0, values);
      load(row, 0, row.of(g), 0, gs);
      Pair totals = {0, 0}; // of x and of h = gamma g
      each_run<HELD_OF_FOUR>(row, 0, [&](int i, int) {
#pragma unroll
        for (int k = i; k < i + 4; k++) {
          totals.first += values[k];
          totals.second = fmaf(gs[k], gammas[k], totals.second);
        }
      });
      totals = sum<0>(row, totals);
      float mean = centred ? totals.first / row.length : 0;
      float mean_h = centred ? totals.second / row.length : 0;
      Pair products = {0, 0}; // of deviations with themselves and with h
      each_run<HELD_OF_FOUR>(row, 0, [&](int i, int at) {
#pragma unroll
        for (int k = 0; k < 4; k++) {
          float deviation = row.has(at, k) ? values[i + k] - mean : 0;
          values[i + k] = deviation;
          products.first = fmaf(deviation, deviation, products.first);
          products.second = fmaf(deviation, gs[i + k] * gammas[i + k], products.second);
        }
      });
      products = sum<1>(row, products);
      float scale = 1 / sqrtf(products.first / row.length + epsilon);
      float mean_hz = products.second * scale / row.length;
      each_run<HELD_OF_FOUR>(row, 0, [&](int i, int) {
#pragma unroll
        for (int k = i; k < i + 4; k++) {
          float z = values[k] * scale;
          gamma_grads[k] = fmaf(gs[k], z, gamma_grads[k]);
          beta_grads[k] += gs[k];
          values[k] = fmaf(z, -mean_hz, fmaf(gs[k], gammas[k], -mean_h)) * scale;
        }
      });
      store(row, 0, row.of(to), values);
    }
    parts += blockIdx.x * length + row.first;
    store(row, 0, parts, gamma_grads);
    store(row, 0, parts + gridDim.x * length, beta_grads);
  });
}

// Folds 8 values for each of 32 columns; the first warp has the results.
__device__ inline float fold_columns(float x) {
  __shared__ float sums[8][32];
  u32 lane = threadIdx.x % 32;
  u32 warp = threadIdx.x / 32;
  __syncthreads(); // a former fold may still be read
  sums[warp][lane] = x;
  __syncthreads();
  for (u32 half = 4; half > 0; half /= 2) {
    if (warp < half) {
      sums[warp][lane] += sums[warp + half][lane];
    }
    __syncthreads();
  }
  return sums[0][lane];
}

// Sums over parts of the rows of g z, then of g: [2, parts, length] behind the rows' normals.
KERNEL __launch_bounds__(256) norm_grad_columns_f32(
    Normal* normals, const float* x, const float* g, i64 rows, i64 length, i64 part_rows) {
  float* parts = (float*)(normals + rows);
  i64 column = (i64)blockIdx.x * 32 + threadIdx.x % 32;
  i64 end = (blockIdx.y + 1) * part_rows < rows ? (blockIdx.y + 1) * part_rows : rows;
  float gamma = 0;
  float beta = 0;
  if (column < length) {
#pragma unroll 4
    for (i64 row = blockIdx.y * part_rows + threadIdx.x / 32; row < end; row += 8) {
      Normal n = normals[row];
      float gradient = g[row * length + column];
      gamma = fmaf(gradient, (x[row * length + column] - n.mean) * n.scale, gamma);
      beta += gradient;
    }
  }
  gamma = fold_columns(gamma);
  beta = fold_columns(beta);
  if (threadIdx.x < 32 && column < length) {
    parts[blockIdx.y * length + column] = gamma;
    parts[(gridDim.y + blockIdx.y) * length + column] = beta;
  }
}

// Without a beta there are blocks for gamma only.
KERNEL __launch_bounds__(256) norm_grad_parts_f32(
    float* gamma, float* beta, const Normal* normals, i64 rows, i64 parts, i64 length) {
  i64 column = (i64)blockIdx.x * 32 + threadIdx.x % 32;
  const float* from = (const float*)(normals + rows) + blockIdx.y * parts * length;
  float total = 0;
  if (column < length) {
#pragma unroll 16
    for (i64 part = threadIdx.x / 32; part < parts; part += 8) {
      total += from[part * length + column];
    }
  }
  total = fold_columns(total);
  if (threadIdx.x < 32 && column < length) {
    (blockIdx.y == 0 ? gamma : beta)[column] = total;
  }
}

// As norm_grad_parts_f32 for the parts of norm_grad_fused_f32, which are many: a block has 16 columns.
KERNEL __launch_bounds__(1024) norm_grad_fused_parts_f32(
    float* gamma, float* beta, const float* from, i64 parts, i64 length) {
  const int COLUMNS = 16;
  __shared__ float sums[1024 / 32][COLUMNS];
  u32 lane = threadIdx.x % COLUMNS;
  u32 warp = threadIdx.x / 32;
  i64 column = (i64)blockIdx.x * COLUMNS + lane;
  from += blockIdx.y * parts * length + column;
  float total = 0;
  if (column < length) {
#pragma unroll 8
    for (i64 part = threadIdx.x / COLUMNS; part < parts; part += 1024 / COLUMNS) {
      total += from[part * length];
    }
  }
  total += exchange(total, COLUMNS);
  if (threadIdx.x % 32 < COLUMNS) {
    sums[warp][lane] = total;
  }
  __syncthreads();
  if (threadIdx.x < COLUMNS && column < length) {
    total = sums[0][lane];
    for (int other = 1; other < 1024 / 32; other++) {
      total += sums[other][lane];
    }
    (blockIdx.y == 0 ? gamma : beta)[column] = total;
  }
}

// Ops on rows that lie one after another. A team of threads, a part of a warp, a warp or a block, has
// a row, and keeps it in registers when it is not too long; longer rows are read again for each pass.
// Sums follow the length of the row alone: the elements of a thread, lanes of a warp, warps of a
// block.
#include "math.cuh"
#include "quads.cuh"

// Elements of a row that a thread keeps.
const int HELD = 16;

// The most threads of a block.
const int THREADS = 512;

// A thread's part of a row: every so many elements a run of four, or four elements a step apart where
// rows are no multiple of four.
struct Row {
  i64 index;
  bool real; // otherwise a thread beyond the last row, which takes part without effect
  int length;
  int team;
  int first;
  int step;
  bool aligned;
};

__device__ inline Row row_of(i64 rows, i64 length, i64 team, u64 addresses) {
  Row row;
  u32 lane = threadIdx.x % (u32)team;
  row.index = (i64)blockIdx.x * (blockDim.x / (u32)team) + threadIdx.x / (u32)team;
  row.real = row.index < rows;
  row.index = row.real ? row.index : rows - 1;
  row.length = (int)length;
  row.team = (int)team;
  bool runs = length % 4 == 0;
  row.first = (int)(runs ? 4 * lane : lane);
  row.step = runs ? 1 : row.team;
  row.aligned = runs && are_aligned(addresses);
  return row;
}

// The elements that a team keeps at a time.
__device__ inline int chunk(const Row& row) {
  return HELD * row.team;
}

// f(place among those kept, first index) for a thread's runs of the chunk.
template <typename F>
__device__ inline void each_run(const Row& row, int start, F f) {
#pragma unroll
  for (int i = 0; i < HELD; i += 4) {
    int at = start + row.first + i * row.team;
    if (at < row.length) {
      f(i, at);
    }
  }
}

// f(place among those kept, index) for a thread's elements of the chunk.
template <typename F>
__device__ inline void each(const Row& row, int start, F f) {
  each_run(row, start, [&](int i, int at) {
#pragma unroll
    for (int k = 0; k < 4; k++) {
      if (at + k * row.step < row.length) {
        f(i + k, at + k * row.step);
      }
    }
  });
}

// A run, with zeros beyond the row.
__device__ inline void load_run(const Row& row, int at, const float* from, float* values) {
  if (row.aligned) {
    load_quad(values, from + at);
    return;
  }
#pragma unroll
  for (int k = 0; k < 4; k++) {
    int index = at + k * row.step;
    values[k] = index < row.length ? from[index] : 0;
  }
}

__device__ inline void load(const Row& row, int start, const float* from, float (&values)[HELD]) {
  each_run(row, start, [&](int i, int at) { load_run(row, at, from, values + i); });
}

// load, unless a former pass left a whole row in registers.
__device__ inline void load_again(
    const Row& row, int start, const float* from, float (&values)[HELD]) {
  if (row.length > chunk(row)) {
    load(row, start, from, values);
  }
}

__device__ inline void store(const Row& row, int start, float* to, const float (&values)[HELD]) {
  if (row.real && row.aligned) {
    each_run(row, start, [&](int i, int at) { store_quad(to + at, values + i); });
  } else if (row.real) {
    each(row, start, [&](int i, int at) { to[at] = values[i]; });
  }
}

template <typename F>
__device__ inline float fold(const Row& row, float x, F f) {
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) {
    if (mask < row.team) {
      x = f(x, __shfl_xor_sync(0xffffffff, x, mask));
    }
  }
  if (row.team > 32) {
    __shared__ float warps[THREADS / 32];
    __syncthreads(); // a former fold may still be read
    if (threadIdx.x % 32 == 0) {
      warps[threadIdx.x / 32] = x;
    }
    __syncthreads();
    x = warps[0];
    for (int i = 1; i < row.team / 32; i++) {
      x = f(x, warps[i]);
    }
  }
  return x;
}

__device__ inline float sum(const Row& row, float x) {
  return fold(row, x, [](float y, float z) { return y + z; });
}

// Not NaN: that shows in sums.
__device__ inline float most(const Row& row, float x) {
  return fold(row, x, [](float y, float z) { return z > y ? z : y; });
}

template <bool LOG>
__device__ inline void softmax(float* to, const float* x, const Row& row) {
  x += row.index * row.length;
  to += row.index * row.length;
  float values[HELD];
  // Finite, so that rows may start with -infinity.
  float max = -0x1.fffffep127f;
  float total = 0;
  if (row.length <= chunk(row)) {
    load(row, 0, x, values);
    each(row, 0, [&](int i, int) { max = values[i] > max ? values[i] : max; });
    max = most(row, max);
    each(row, 0, [&](int i, int) {
      float e = scalar::exp_negative(values[i] - max);
      total += e;
      values[i] = LOG ? values[i] : e;
    });
    total = sum(row, total);
  } else {
    for (int start = 0; start < row.length; start += chunk(row)) {
      load(row, start, x, values);
      float before = max;
      each(row, start, [&](int i, int) { max = values[i] > max ? values[i] : max; });
      total *= scalar::exp_negative(before - max);
      each(row, start, [&](int i, int) { total += scalar::exp_negative(values[i] - max); });
    }
    float own = max;
    max = most(row, max);
    total = sum(row, total * scalar::exp_negative(own - max));
  }
  float log = LOG ? scalar::log(total) : 0;
  float factor = 1 / total;
  for (int start = 0; start < row.length; start += chunk(row)) {
    bool again = row.length > chunk(row);
    load_again(row, start, x, values);
    each(row, start, [&](int i, int) {
      float e = LOG ? 0 : again ? scalar::exp_negative(values[i] - max) : values[i];
      values[i] = LOG ? values[i] - max - log : e * factor;
    });
    store(row, start, to, values);
  }
}

KERNEL __launch_bounds__(THREADS, 2) softmax_f32(
    float* to, const float* x, i64 rows, i64 length, i64 team) {
  softmax<false>(to, x, row_of(rows, length, team, (u64)to | (u64)x));
}

KERNEL __launch_bounds__(THREADS, 2) log_softmax_f32(
    float* to, const float* x, i64 rows, i64 length, i64 team) {
  softmax<true>(to, x, row_of(rows, length, team, (u64)to | (u64)x));
}

template <bool LOG>
__device__ inline void softmax_grad(float* to, const float* y, const float* g, const Row& row) {
  y += row.index * row.length;
  g += row.index * row.length;
  to += row.index * row.length;
  float ys[HELD];
  float gs[HELD];
  float total = 0;
  for (int start = 0; start < row.length; start += chunk(row)) {
    load(row, start, y, ys);
    load(row, start, g, gs);
    each(row, start, [&](int i, int) { total = LOG ? total + gs[i] : fmaf(gs[i], ys[i], total); });
  }
  total = sum(row, total);
  for (int start = 0; start < row.length; start += chunk(row)) {
    load_again(row, start, y, ys);
    load_again(row, start, g, gs);
    each(row, start, [&](int i, int) {
      gs[i] = LOG ? fmaf(scalar::exp(ys[i]), -total, gs[i]) : (gs[i] - total) * ys[i];
    });
    store(row, start, to, gs);
  }
}

KERNEL __launch_bounds__(THREADS, 2) softmax_grad_f32(
    float* to, const float* y, const float* g, i64 rows, i64 length, i64 team) {
  softmax_grad<false>(to, y, g, row_of(rows, length, team, (u64)to | (u64)y | (u64)g));
}

KERNEL __launch_bounds__(THREADS, 2) log_softmax_grad_f32(
    float* to, const float* y, const float* g, i64 rows, i64 length, i64 team) {
  softmax_grad<true>(to, y, g, row_of(rows, length, team, (u64)to | (u64)y | (u64)g));
}

struct Normal {
  float mean;
  float scale;
};

// Mean and inverse deviation of a row, which stays in the registers as far as it fits.
__device__ inline Normal normal(
    const Row& row, const float* x, float epsilon, bool centred, float (&values)[HELD]) {
  float total = 0;
  for (int start = 0; start < row.length; start += chunk(row)) {
    load(row, start, x, values);
    if (centred) {
      each(row, start, [&](int i, int) { total += values[i]; });
    }
  }
  float mean = centred ? sum(row, total) / row.length : 0;
  float squares = 0;
  for (int start = 0; start < row.length; start += chunk(row)) {
    load_again(row, start, x, values);
    each(row, start, [&](int i, int) {
      squares = fmaf(values[i] - mean, values[i] - mean, squares);
    });
  }
  return {mean, 1 / sqrtf(sum(row, squares) / row.length + epsilon)};
}

KERNEL __launch_bounds__(THREADS, 2) layer_norm_f32(
    float* to, const float* x, const float* gamma, const float* beta, float epsilon, i64 rows,
    i64 length, i64 team) {
  Row row = row_of(rows, length, team, (u64)to | (u64)x | (u64)gamma | (u64)beta);
  x += row.index * length;
  float values[HELD];
  Normal n = normal(row, x, epsilon, true, values);
  for (int start = 0; start < row.length; start += chunk(row)) {
    load_again(row, start, x, values);
    each_run(row, start, [&](int i, int at) {
      float gammas[4];
      float betas[4];
      load_run(row, at, gamma, gammas);
      load_run(row, at, beta, betas);
#pragma unroll
      for (int k = 0; k < 4; k++) {
        values[i + k] = fmaf((values[i + k] - n.mean) * n.scale, gammas[k], betas[k]);
      }
    });
    store(row, start, to + row.index * length, values);
  }
}

KERNEL __launch_bounds__(THREADS, 2) rms_norm_f32(
    float* to, const float* x, const float* gamma, float epsilon, i64 rows, i64 length, i64 team) {
  Row row = row_of(rows, length, team, (u64)to | (u64)x | (u64)gamma);
  x += row.index * length;
  float values[HELD];
  Normal n = normal(row, x, epsilon, false, values);
  for (int start = 0; start < row.length; start += chunk(row)) {
    load_again(row, start, x, values);
    each_run(row, start, [&](int i, int at) {
      float gammas[4];
      load_run(row, at, gamma, gammas);
#pragma unroll
      for (int k = 0; k < 4; k++) {
        values[i + k] = values[i + k] * n.scale * gammas[k];
      }
    });
    store(row, start, to + row.index * length, values);
  }
}

// A row is a group of channels of some pixels each.
KERNEL __launch_bounds__(THREADS, 2) group_norm_f32(
    float* to, const float* x, const float* gamma, const float* beta, float epsilon, i64 rows,
    i64 length, i64 team, i64 groups, i64 pixels) {
  Row row = row_of(rows, length, team, (u64)to | (u64)x);
  x += row.index * length;
  u32 channel = (u32)row.index % (u32)groups * ((u32)length / (u32)pixels);
  float values[HELD];
  Normal n = normal(row, x, epsilon, true, values);
  for (int start = 0; start < row.length; start += chunk(row)) {
    load_again(row, start, x, values);
    each(row, start, [&](int i, int at) {
      u32 c = channel + (u32)at / (u32)pixels;
      values[i] = fmaf((values[i] - n.mean) * n.scale, gamma[c], beta[c]);
    });
    store(row, start, to + row.index * length, values);
  }
}

__device__ inline void load_products(
    const Row& row, int start, const float* x, const float* y, float (&products)[HELD]) {
  load(row, start, x, products);
  each_run(row, start, [&](int i, int at) {
    float ys[4];
    load_run(row, at, y, ys);
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
  Row row = row_of(rows, length, team, (u64)to | (u64)x | (u64)gamma | (u64)g);
  x += row.index * length;
  g += row.index * length;
  float values[HELD];
  float hs[HELD];
  Normal n = normal(row, x, epsilon, centred, values);
  float mean_h = 0;
  float mean_hz = 0;
  for (int start = 0; start < row.length; start += chunk(row)) {
    load_again(row, start, x, values);
    load_products(row, start, g, gamma, hs);
    each(row, start, [&](int i, int) {
      mean_h += hs[i];
      mean_hz = fmaf(hs[i], (values[i] - n.mean) * n.scale, mean_hz);
    });
  }
  mean_h = centred ? sum(row, mean_h) / row.length : 0;
  mean_hz = sum(row, mean_hz) / row.length;
  for (int start = 0; start < row.length; start += chunk(row)) {
    if (row.length > chunk(row)) {
      load(row, start, x, values);
      load_products(row, start, g, gamma, hs);
    }
    each(row, start, [&](int i, int) {
      values[i] = fmaf((values[i] - n.mean) * n.scale, -mean_hz, hs[i] - mean_h) * n.scale;
    });
    store(row, start, to + row.index * length, values);
  }
  if (row.real && threadIdx.x % (u32)row.team == 0) {
    normals[row.index] = n;
  }
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
#pragma unroll 4
    for (i64 part = threadIdx.x / 32; part < parts; part += 8) {
      total += from[part * length + column];
    }
  }
  total = fold_columns(total);
  if (threadIdx.x < 32 && column < length) {
    (blockIdx.y == 0 ? gamma : beta)[column] = total;
  }
}

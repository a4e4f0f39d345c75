// Ops on rows that lie one after another. A team of threads has a row, which it reads again for each
// pass; a tree folds the threads. Sums follow the length of the row alone.

#define MOST_THREADS 1024

// The row of a thread: a row beyond the last takes part without effect.
#define ROW \
  u32 thread = THREAD % (u32)team; \
  i64 own = BLOCK_X * (THREADS / (u32)team) + THREAD / (u32)team; \
  bool real = own < rows; \
  i64 row = real ? own : rows - 1; \
  local float folds[MOST_THREADS]

// For each of a thread's elements of the row.
#define EACH for (i64 i = thread; i < length; i += team)
#define EACH_STORED for (i64 i = thread; i < length && real; i += team)

// Folds the values of the threads of a team.
static inline float fold_sum(local float *folds, u32 thread, u32 team, float x) {
  WAIT; // a former fold may still be read
  folds[THREAD] = x;
  WAIT;
  for (u32 reach = team / 2; reach > 0; reach /= 2) {
    if (thread < reach) {
      folds[THREAD] += folds[THREAD + reach];
    }
    WAIT;
  }
  return folds[THREAD - thread];
}

// Not NaN: that shows in sums.
static inline float fold_max(local float *folds, u32 thread, u32 team, float x) {
  WAIT;
  folds[THREAD] = x;
  WAIT;
  for (u32 reach = team / 2; reach > 0; reach /= 2) {
    if (thread < reach && folds[THREAD + reach] > folds[THREAD]) {
      folds[THREAD] = folds[THREAD + reach];
    }
    WAIT;
  }
  return folds[THREAD - thread];
}

#define SUM(x) fold_sum(folds, thread, (u32)team, x)
#define MAX(x) fold_max(folds, thread, (u32)team, x)

// The maximum of a row, finite so that rows may start with -infinity, and the sum of exponentials.
#define SOFTMAX \
  float most = -FLT_MAX; \
  EACH { \
    most = x[i] > most ? x[i] : most; \
  } \
  most = MAX(most); \
  float total = 0; \
  EACH { \
    total += exp_negative(x[i] - most); \
  } \
  total = SUM(total)

kernel void softmax_f32(PASS(float, to), PASS(const float, x), i64 rows, i64 length, i64 team) {
  TAKE(float, to);
  TAKE(const float, x);
  ROW;
  x += row * length;
  to += row * length;
  SOFTMAX;
  float factor = 1.0f / total;
  EACH_STORED {
    to[i] = exp_negative(x[i] - most) * factor;
  }
}

kernel void log_softmax_f32(
    PASS(float, to), PASS(const float, x), i64 rows, i64 length, i64 team) {
  TAKE(float, to);
  TAKE(const float, x);
  ROW;
  x += row * length;
  to += row * length;
  SOFTMAX;
  float log_of_total = log_f32(total);
  EACH_STORED {
    to[i] = x[i] - most - log_of_total;
  }
}

kernel void softmax_grad_f32(
    PASS(float, to), PASS(const float, y), PASS(const float, g), i64 rows, i64 length, i64 team) {
  TAKE(float, to);
  TAKE(const float, y);
  TAKE(const float, g);
  ROW;
  y += row * length;
  g += row * length;
  to += row * length;
  float total = 0;
  EACH {
    total = fma(g[i], y[i], total);
  }
  total = SUM(total);
  EACH_STORED {
    to[i] = (g[i] - total) * y[i];
  }
}

kernel void log_softmax_grad_f32(
    PASS(float, to), PASS(const float, y), PASS(const float, g), i64 rows, i64 length, i64 team) {
  TAKE(float, to);
  TAKE(const float, y);
  TAKE(const float, g);
  ROW;
  y += row * length;
  g += row * length;
  to += row * length;
  float total = 0;
  EACH {
    total += g[i];
  }
  total = SUM(total);
  EACH_STORED {
    to[i] = fma(exp_f32(y[i]), -total, g[i]);
  }
}

// Mean and inverse deviation of a row.
#define NORMAL(centred) \
  float mean = 0; \
  if (centred) { \
    float total = 0; \
    EACH { \
      total += x[i]; \
    } \
    mean = SUM(total) / length; \
  } \
  float squares = 0; \
  EACH { \
    squares = fma(x[i] - mean, x[i] - mean, squares); \
  } \
  float scale = 1.0f / sqrt(SUM(squares) / length + epsilon)

kernel void layer_norm_f32(
    PASS(float, to), PASS(const float, x), PASS(const float, gamma), PASS(const float, beta),
    float epsilon, i64 rows, i64 length, i64 team) {
  TAKE(float, to);
  TAKE(const float, x);
  TAKE(const float, gamma);
  TAKE(const float, beta);
  ROW;
  x += row * length;
  to += row * length;
  NORMAL(true);
  EACH_STORED {
    to[i] = fma((x[i] - mean) * scale, gamma[i], beta[i]);
  }
}

kernel void rms_norm_f32(
    PASS(float, to), PASS(const float, x), PASS(const float, gamma), float epsilon, i64 rows,
    i64 length, i64 team) {
  TAKE(float, to);
  TAKE(const float, x);
  TAKE(const float, gamma);
  ROW;
  x += row * length;
  to += row * length;
  NORMAL(false);
  EACH_STORED {
    to[i] = x[i] * scale * gamma[i];
  }
}

// A row is a group of channels of some pixels each.
kernel void group_norm_f32(
    PASS(float, to), PASS(const float, x), PASS(const float, gamma), PASS(const float, beta),
    float epsilon, i64 rows, i64 length, i64 team, i64 groups, i64 pixels) {
  TAKE(float, to);
  TAKE(const float, x);
  TAKE(const float, gamma);
  TAKE(const float, beta);
  ROW;
  x += row * length;
  to += row * length;
  u32 channel = (u32)row % (u32)groups * ((u32)length / (u32)pixels);
  NORMAL(true);
  EACH_STORED {
    u32 c = channel + (u32)i / (u32)pixels;
    to[i] = fma((x[i] - mean) * scale, gamma[c], beta[c]);
  }
}

// The gradient of x, and mean and inverse deviation of each row for the other gradients.
kernel void norm_grad_f32(
    PASS(float, to), PASS(float2, normals), PASS(const float, x), PASS(const float, gamma),
    PASS(const float, g), float epsilon, i64 centred, i64 rows, i64 length, i64 team) {
  TAKE(float, to);
  TAKE(float2, normals);
  TAKE(const float, x);
  TAKE(const float, gamma);
  TAKE(const float, g);
  ROW;
  x += row * length;
  g += row * length;
  to += row * length;
  NORMAL(centred);
  float mean_h = 0;
  float mean_hz = 0;
  EACH {
    mean_h = fma(g[i], gamma[i], mean_h);
    mean_hz = fma(g[i] * gamma[i], (x[i] - mean) * scale, mean_hz);
  }
  mean_h = SUM(mean_h) / length;
  mean_h = centred ? mean_h : 0.0f;
  mean_hz = SUM(mean_hz) / length;
  EACH_STORED {
    to[i] = fma((x[i] - mean) * scale, -mean_hz, g[i] * gamma[i] - mean_h) * scale;
  }
  if (real && thread == 0) {
    normals[row] = (float2)(mean, scale);
  }
}

// Folds 8 values for each of 32 columns; the first threads have the results.
static inline float fold_columns(local float *folds, float x) {
  u32 line = THREAD / 32;
  WAIT; // a former fold may still be read
  folds[THREAD] = x;
  WAIT;
  for (u32 reach = 4; reach > 0; reach /= 2) {
    if (line < reach) {
      folds[THREAD] += folds[THREAD + 32 * reach];
    }
    WAIT;
  }
  return folds[THREAD % 32];
}

// Sums over parts of the rows of g z, then of g: [2, parts, length] behind the rows' normals.
kernel void norm_grad_columns_f32(
    PASS(float2, normals), PASS(const float, x), PASS(const float, g), i64 rows, i64 length,
    i64 part_rows) {
  TAKE(float2, normals);
  TAKE(const float, x);
  TAKE(const float, g);
  local float folds[256];
  global float *parts = (global float *)(normals + rows);
  i64 column = BLOCK_X * 32 + THREAD % 32;
  i64 end = min((BLOCK_Y + 1) * part_rows, rows);
  float gamma = 0;
  float beta = 0;
  if (column < length) {
    for (i64 row = BLOCK_Y * part_rows + THREAD / 32; row < end; row += 8) {
      float2 n = normals[row];
      float gradient = g[row * length + column];
      gamma = fma(gradient, (x[row * length + column] - n.x) * n.y, gamma);
      beta += gradient;
    }
  }
  gamma = fold_columns(folds, gamma);
  beta = fold_columns(folds, beta);
  if (THREAD < 32 && column < length) {
    parts[BLOCK_Y * length + column] = gamma;
    parts[((i64)get_num_groups(1) + BLOCK_Y) * length + column] = beta;
  }
}

// Without a beta there are blocks for gamma only.
kernel void norm_grad_parts_f32(
    PASS(float, gamma), PASS(float, beta), PASS(const float2, normals), i64 rows, i64 parts,
    i64 length) {
  TAKE(float, gamma);
  TAKE_OPTIONAL(float, beta);
  TAKE(const float2, normals);
  local float folds[256];
  i64 column = BLOCK_X * 32 + THREAD % 32;
  const global float *from = (const global float *)(normals + rows) + BLOCK_Y * parts * length;
  float total = 0;
  if (column < length) {
    for (i64 part = THREAD / 32; part < parts; part += 8) {
      total += from[part * length + column];
    }
  }
  total = fold_columns(folds, total);
  if (THREAD < 32 && column < length) {
    (BLOCK_Y == 0 ? gamma : beta)[column] = total;
  }
}

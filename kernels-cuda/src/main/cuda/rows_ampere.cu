// Rows on compute capability 8.0 and later, which are copied to shared memory ahead of the work on them.
//
// Softmax of rows for which one block needs a multiprocessor. It has shared memory for a whole row and
// takes several in turn: as soon as an element is in a register, the next row's is copied to its place,
// so that memory is read while exponentials are computed. All elements are read and written by the
// thread that has copied them; threads only wait for each other where they fold.
#include "async.cuh"
#include "rows.cuh"

const int THREADS = 1024;

// Elements that a thread works on at a time. It has every THREADS-th one of a row.
const int RUN = 4;

// Folds that follow each other have different slots of two, so that none waits for the readers of
// another.
template <int OF = THREADS, typename F>
__device__ inline float fold_threads(int slot, float x, F f) {
  __shared__ float slots[2][OF / 32];
  float* warps = slots[slot];
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) {
    x = f(x, __shfl_xor_sync(0xffffffff, x, mask));
  }
  if (threadIdx.x % 32 == 0) {
    warps[threadIdx.x / 32] = x;
  }
  __syncthreads();
  x = warps[threadIdx.x % (OF / 32)];
#pragma unroll
  for (int mask = OF / 64; mask > 0; mask /= 2) {
    x = f(x, __shfl_xor_sync(0xffffffff, x, mask));
  }
  return x;
}

template <int OF = THREADS>
__device__ inline float sum_threads(int slot, float x) {
  return fold_threads<OF>(slot, x, [](float y, float z) { return y + z; });
}

template <int OF = THREADS>
__device__ inline float most_threads(int slot, float x) {
  return fold_threads<OF>(slot, x, [](float y, float z) { return fmaxf(y, z); });
}

// The thread's part of a row in shared memory.
struct Strip {
  float* kept;
  int elements;
  int end; // of the runs that all threads have

  // beyond: a value of no effect
  __device__ Strip(int length, float beyond) {
    kept = (float*)dynamic_shared + threadIdx.x;
    elements = (length + THREADS - 1 - (int)threadIdx.x) / THREADS;
    end = (length + RUN * THREADS - 1) / (RUN * THREADS) * RUN;
    for (int i = elements; i < end; i++) {
      kept[i * THREADS] = beyond;
    }
  }

  __device__ void copy_run(const float* from, int run) const {
#pragma unroll
    for (int i = run; i < run + RUN; i++) {
      if (i < elements) {
        copy_async<4>(kept + i * THREADS, from + i * THREADS, true);
      }
    }
  }
};

template <bool LOG>
__device__ inline void softmax(float* to, const float* x, i64 rows, int length) {
  Strip strip(length, __int_as_float((int)0xff800000));
  float* kept = strip.kept;
  int elements = strip.elements;
  int end = strip.end;
  i64 row = blockIdx.x;
  x += row * length + threadIdx.x;
  to += row * length + threadIdx.x;
  i64 step = (i64)gridDim.x * length;
  for (int run = 0; run < HELD && run < end; run += RUN) {
    strip.copy_run(x, run);
  }
  commit_copies();
  for (int run = HELD; run < end; run += RUN) {
    strip.copy_run(x, run);
  }
  commit_copies();
  for (; row < rows; row += gridDim.x) {
    bool more = row + gridDim.x < rows;
    x += step;
    // Finite, so that rows may start with -infinity.
    float max = -0x1.fffffep127f;
    await_copies<1>();
#pragma unroll
    for (int run = 0; run < HELD; run += RUN) {
      if (run < end) {
#pragma unroll
        for (int i = run; i < run + RUN; i++) {
          max = fmaxf(max, kept[i * THREADS]);
        }
      }
    }
    await_copies<0>();
    for (int run = HELD; run < end; run += RUN) {
#pragma unroll
      for (int i = run; i < run + RUN; i++) {
        max = fmaxf(max, kept[i * THREADS]);
      }
    }
    max = most_threads(0, max);
    float held[HELD];
    float total = 0;
#pragma unroll
    for (int run = 0; run < HELD; run += RUN) {
      if (run < end) {
#pragma unroll
        for (int i = run; i < run + RUN; i++) {
          float value = kept[i * THREADS];
          float e = scalar::exp_negative(value - max);
          total += e;
          held[i] = LOG ? value : e;
        }
        if (more) {
          strip.copy_run(x, run);
        }
      }
    }
    commit_copies();
    for (int run = HELD; run < end; run += RUN) {
#pragma unroll
      for (int i = run; i < run + RUN; i++) {
        float e = scalar::exp_negative(kept[i * THREADS] - max);
        total += e;
        if (!LOG && i < elements) {
          kept[i * THREADS] = e;
        }
      }
    }
    total = sum_threads(1, total);
    float log = LOG ? scalar::log(total) : 0;
    float factor = 1 / total;
    auto store = [&](int i, float value) {
      if (i < elements) {
        to[i * THREADS] = LOG ? value - max - log : value * factor;
      }
    };
    for (int run = HELD; run < end; run += RUN) {
#pragma unroll
      for (int i = run; i < run + RUN; i++) {
        store(i, kept[i * THREADS]);
      }
      if (more) {
        strip.copy_run(x, run);
      }
    }
    commit_copies();
#pragma unroll
    for (int run = 0; run < HELD; run += RUN) {
      if (run < end) {
#pragma unroll
        for (int i = run; i < run + RUN; i++) {
          store(i, held[i]);
        }
      }
    }
    to += step;
  }
}

KERNEL __launch_bounds__(THREADS) softmax_long_f32(float* to, const float* x, i64 rows, i64 length) {
  softmax<false>(to, x, rows, (int)length);
}

KERNEL __launch_bounds__(THREADS) log_softmax_long_f32(
    float* to, const float* x, i64 rows, i64 length) {
  softmax<true>(to, x, rows, (int)length);
}

// Threads of a block that keeps a row in registers, and elements that each of them has.
const int KEEPERS = 512;
const int KEPT = 100;
const int KEPT_RUN = 10;

// As softmax with the whole row in registers, so that all of the next is copied meanwhile. Copies of four
// elements start at multiples of 16 bytes, where rows need not, and a row lies as far behind such a place
// in shared memory. Threads read what others have copied.
template <bool LOG>
__device__ inline void softmax_kept(float* to, const float* x, i64 rows, int length) {
  float* shared = (float*)dynamic_shared;
  auto distance = [](const float* from) { return (int)((u64)from / sizeof(float) % 4); };
  auto copy_row = [&](const float* from) {
    int start = distance(from);
    int end = start + length;
    int tail = end & -4; // the first element of four that are not all of the row
    int head = (start + 3) & -4;
    from -= start;
#pragma unroll 2
    for (int at = head + 4 * (int)threadIdx.x; at < tail; at += 4 * KEEPERS) {
      copy_async<16>(shared + at, from + at, true);
    }
    int at = (int)threadIdx.x < 4 ? (int)threadIdx.x : tail + (int)threadIdx.x - 4;
    if ((at >= start && at < head) || (at >= tail && at < end)) {
      copy_async<4>(shared + at, from + at, true);
    }
    commit_copies();
  };
  int elements = (length + KEEPERS - 1 - (int)threadIdx.x) / KEEPERS;
  i64 row = blockIdx.x;
  i64 step = (i64)gridDim.x * length;
  x += row * length;
  to += row * length + threadIdx.x;
  copy_row(x);
  for (; row < rows; row += gridDim.x) {
    const float* from = shared + distance(x) + threadIdx.x;
    x += step;
    await_copies();
    __syncthreads();
    float kept[KEPT];
    // Finite, so that rows may start with -infinity.
    float max = -0x1.fffffep127f;
#pragma unroll
    for (int run = 0; run < KEPT; run += KEPT_RUN) {
      if (run * KEEPERS < length) {
#pragma unroll
        for (int i = run; i < run + KEPT_RUN; i++) {
          kept[i] = i < elements ? from[i * KEEPERS] : __int_as_float((int)0xff800000);
          max = fmaxf(max, kept[i]);
        }
      }
    }
    max = most_threads<KEEPERS>(0, max);
    if (row + gridDim.x < rows) {
      copy_row(x); // all threads have read the row
    }
    float totals[5] = {};
#pragma unroll
    for (int run = 0; run < KEPT; run += KEPT_RUN) {
      if (run * KEEPERS < length) {
#pragma unroll
        for (int i = 0; i < KEPT_RUN; i++) {
          float e = scalar::exp_negative(kept[run + i] - max);
          totals[i % 5] += e;
          kept[run + i] = LOG ? kept[run + i] : e;
        }
      }
    }
    float total = sum_threads<KEEPERS>(1, (totals[0] + totals[1]) + (totals[2] + totals[3]) + totals[4]);
    float log = LOG ? scalar::log(total) : 0;
    float factor = 1 / total;
#pragma unroll
    for (int run = 0; run < KEPT; run += KEPT_RUN) {
      if (run * KEEPERS < length) {
#pragma unroll
        for (int i = run; i < run + KEPT_RUN; i++) {
          if (i < elements) {
            to[i * KEEPERS] = LOG ? kept[i] - max - log : kept[i] * factor;
          }
        }
      }
    }
    to += step;
  }
}

KERNEL __launch_bounds__(KEEPERS) softmax_kept_f32(float* to, const float* x, i64 rows, i64 length) {
  softmax_kept<false>(to, x, rows, (int)length);
}

KERNEL __launch_bounds__(KEEPERS) log_softmax_kept_f32(
    float* to, const float* x, i64 rows, i64 length) {
  softmax_kept<true>(to, x, rows, (int)length);
}

// Only the sum of g comes before the results, so that no more than g is kept.
KERNEL __launch_bounds__(THREADS) log_softmax_grad_long_f32(
    float* to, const float* y, const float* g, i64 rows, i64 length) {
  Strip strip((int)length, 0);
  i64 row = blockIdx.x;
  i64 first = row * length + threadIdx.x;
  y += first;
  g += first;
  to += first;
  i64 step = gridDim.x * length;
  for (int run = 0; run < strip.end; run += RUN) {
    strip.copy_run(g, run);
  }
  commit_copies();
  for (int slot = 0; row < rows; row += gridDim.x, slot ^= 1) {
    bool more = row + gridDim.x < rows;
    g += step;
    float ys[HELD];
    auto load_run = [&](int run) {
#pragma unroll
      for (int i = run; i < run + RUN; i++) {
        ys[i % HELD] = i < strip.elements ? y[i * THREADS] : 0;
      }
    };
    auto store_run = [&](int run, float total) {
#pragma unroll
      for (int i = run; i < run + RUN; i++) {
        if (i < strip.elements) {
          to[i * THREADS] = fmaf(scalar::exp(ys[i % HELD]), -total, strip.kept[i * THREADS]);
        }
      }
      if (more) {
        strip.copy_run(g, run);
      }
    };
#pragma unroll
    for (int run = 0; run < HELD; run += RUN) {
      if (run < strip.end) {
        load_run(run);
      }
    }
    await_copies();
    float total = 0;
#pragma unroll 4
    for (int i = 0; i < strip.end; i++) {
      total += strip.kept[i * THREADS];
    }
    total = sum_threads(slot, total);
#pragma unroll
    for (int run = 0; run < HELD; run += RUN) {
      if (run < strip.end) {
        store_run(run, total);
      }
      if (run + HELD < strip.end) {
        load_run(run + HELD);
      }
    }
#pragma unroll
    for (int run = HELD; run < 2 * HELD; run += RUN) {
      if (run < strip.end) {
        store_run(run, total);
      }
    }
    commit_copies();
    y += step;
    to += step;
  }
}

// Warps of a block, each of which has rows of its own.
const int WARPS = 4;

// The sum over a warp's lanes of what each has added up in four parts.
__device__ inline float sum_lanes(const float (&parts)[4]) {
  float x = (parts[0] + parts[1]) + (parts[2] + parts[3]);
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) {
    x += __shfl_xor_sync(0xffffffff, x, mask);
  }
  return x;
}

// Rows of up to QUADS runs of four for each lane, of which the last two may lie beyond the row. In shared
// memory are gamma and, for each warp, the next row's x and g, which are copied while it works on one in
// registers. All elements are read by the thread that has copied them.
template <int QUADS>
__device__ inline void norm_grad_warps(
    float* to, float* parts, const float* x, const float* gamma, const float* g, float epsilon,
    bool centred, i64 rows, int length) {
  const int SPAN = QUADS * 128;
  bool aligned = are_aligned((u64)to | (u64)x | (u64)g);
  int warp = (int)threadIdx.x / 32;
  int first = (int)threadIdx.x % 32 * 4;
  float* shared = (float*)dynamic_shared;
  float* gammas = shared + first;
  float* next_xs = gammas + (1 + 2 * warp) * SPAN;
  float* next_gs = next_xs + SPAN;
  auto has = [&](int q) { return q < QUADS - 2 || q * 128 + first < length; };
  auto copy_row = [&](i64 row) {
    const float* from_x = x + row * length + first;
    const float* from_g = g + row * length + first;
    if (aligned) {
#pragma unroll
      for (int q = 0; q < QUADS; q++) {
        if (has(q)) {
          copy_async<16>(next_xs + q * 128, from_x + q * 128, true);
          copy_async<16>(next_gs + q * 128, from_g + q * 128, true);
        }
      }
    } else {
#pragma unroll 1
      for (int q = 0; q * 128 + first < length; q++) {
        for (int e = 0; e < 4; e++) {
          copy_async<4>(next_xs + q * 128 + e, from_x + q * 128 + e, true);
          copy_async<4>(next_gs + q * 128 + e, from_g + q * 128 + e, true);
        }
      }
    }
    commit_copies();
  };
  i64 row = (i64)blockIdx.x * WARPS + warp;
  i64 step = (i64)gridDim.x * WARPS;
  for (int q = 0; q < QUADS; q++) {
    for (int e = 0; e < 4 && !has(q); e++) {
      next_xs[q * 128 + e] = 0;
      next_gs[q * 128 + e] = 0;
    }
  }
  if (row < rows) {
    copy_row(row);
  }
  for (int i = (int)threadIdx.x; i < SPAN; i += WARPS * 32) {
    shared[i] = i < length ? gamma[i] : 0;
  }
  __syncthreads();
  float inverse = 1 / (float)length;
  float gamma_grads[QUADS][4] = {};
  float beta_grads[QUADS][4] = {};
  for (; row < rows; row += step) {
    float xs[QUADS][4];
    float gs[QUADS][4];
    float sums[4] = {};
    await_copies();
#pragma unroll
    for (int q = 0; q < QUADS; q++) {
      load_quad(xs[q], next_xs + q * 128);
      load_quad(gs[q], next_gs + q * 128);
#pragma unroll
      for (int e = 0; e < 4; e++) {
        sums[e] += xs[q][e];
      }
    }
    if (row + step < rows) {
      copy_row(row + step);
    }
    float mean = centred ? sum_lanes(sums) * inverse : 0;
    float h_sums[4] = {}; // of h = gamma g
    float squares[4] = {}; // of deviations
    float products[4] = {}; // of deviations and h
#pragma unroll
    for (int q = 0; q < QUADS; q++) {
      float gamma_quad[4];
      load_quad(gamma_quad, gammas + q * 128);
#pragma unroll
      for (int e = 0; e < 4; e++) {
        float deviation = has(q) ? xs[q][e] - mean : 0;
        float h = gs[q][e] * gamma_quad[e];
        xs[q][e] = deviation;
        h_sums[e] += h;
        squares[e] = fmaf(deviation, deviation, squares[e]);
        products[e] = fmaf(deviation, h, products[e]);
      }
    }
    __syncwarp(); // gamma is read again rather than kept
    float mean_h = centred ? sum_lanes(h_sums) * inverse : 0;
    float scale = 1 / sqrtf(fmaf(sum_lanes(squares), inverse, epsilon));
    float mean_hz = sum_lanes(products) * inverse * scale;
    float* row_to = to + row * length + first;
#pragma unroll
    for (int q = 0; q < QUADS; q++) {
      float gamma_quad[4];
      float grads[4];
      load_quad(gamma_quad, gammas + q * 128);
#pragma unroll
      for (int e = 0; e < 4; e++) {
        float z = xs[q][e] * scale;
        gamma_grads[q][e] = fmaf(gs[q][e], z, gamma_grads[q][e]);
        beta_grads[q][e] += gs[q][e];
        grads[e] = fmaf(z, -mean_hz, fmaf(gs[q][e], gamma_quad[e], -mean_h)) * scale;
      }
      if (has(q)) {
        store_quad(row_to, grads, q * 128, SPAN, aligned);
      }
    }
  }
#pragma unroll
  for (int q = 0; q < QUADS; q++) {
    store_quad(next_xs + q * 128, gamma_grads[q]);
    store_quad(next_gs + q * 128, beta_grads[q]);
  }
  __syncthreads();
  parts += blockIdx.x * length;
  for (int i = (int)threadIdx.x; i < length; i += WARPS * 32) {
    float gamma_grad = 0;
    float beta_grad = 0;
    for (int other = 0; other < WARPS; other++) {
      gamma_grad += shared[(1 + 2 * other) * SPAN + i];
      beta_grad += shared[(2 + 2 * other) * SPAN + i];
    }
    parts[i] = gamma_grad;
    parts[gridDim.x * length + i] = beta_grad;
  }
}

// The gradient of x for rows of 129 to 1024 elements, a multiple of four, and for each block sums of g z
// and of g over its rows: [2, blocks, length].
KERNEL __launch_bounds__(WARPS * 32, 3) norm_grad_warps_f32(
    float* to, float* parts, const float* x, const float* gamma, const float* g, float epsilon,
    i64 centred, i64 rows, i64 length) {
  if (length <= 256) {
    norm_grad_warps<2>(to, parts, x, gamma, g, epsilon, centred, rows, (int)length);
  } else if (length <= 512) {
    norm_grad_warps<4>(to, parts, x, gamma, g, epsilon, centred, rows, (int)length);
  } else if (length <= 768) {
    norm_grad_warps<6>(to, parts, x, gamma, g, epsilon, centred, rows, (int)length);
  } else {
    norm_grad_warps<8>(to, parts, x, gamma, g, epsilon, centred, rows, (int)length);
  }
}

// f(team's row, the thread's first element in shared memory) for rows of elements of 16 bits that registers hold, a
// multiple of eight at addresses of multiples of 16 bytes. Threads copy eight elements at once, and work on those that
// they have in rows.cu too, so that results have the same bits. Teams of a warp have rows that follow each other,
// which the warp copies as one; larger teams copy their own, and the block waits. Beyond the last row is what was
// there.
template <typename T, typename F>
__device__ inline void with_shared_row(const T* x, i64 rows, int length, int team, F f) {
  Row<true, true> row;
  int group = team < 32 ? 32 : team; // threads that wait for each other
  int lane = (int)threadIdx.x & (group - 1);
  int teams = group / team;
  i64 first = (i64)blockIdx.x * ((int)blockDim.x / team) + (int)threadIdx.x / group * teams;
  row.length = length;
  row.team = team;
  row.lane = lane & (team - 1);
  row.index = first + lane / team;
  row.real = row.index < rows;
  row.first = 4 * row.lane;
  row.step = 1;
  T* copied = (T*)dynamic_shared + (int)threadIdx.x / group * teams * length;
  i64 present = rows - first < teams ? rows - first : teams;
  int count = present < 0 ? 0 : (int)present * length;
  x += first * length;
  for (int i = 8 * lane; i < count; i += 8 * group) {
    copy_async<16>((float*)(copied + i), (const float*)(x + i), true);
  }
  commit_copies();
  await_copies();
  if (group == 32) {
    __syncwarp();
  } else {
    __syncthreads();
  }
  f(row, copied + lane / team * length + row.first);
}

// Blocks have four warps, or one team of more than that.
#define SHARED(TYPE, T)                                                                             \
  KERNEL __launch_bounds__(MOST_TEAM) softmax_shared_##TYPE(                                       \
      T* to, const T* x, i64 rows, i64 length, i64 team) {                                         \
    with_shared_row(x, rows, (int)length, (int)team, [&](auto row, const T* from) {                \
      softmax<false>(row.of(to), from, row);                                                       \
    });                                                                                            \
  }                                                                                                \
  KERNEL __launch_bounds__(MOST_TEAM) log_softmax_shared_##TYPE(                                   \
      T* to, const T* x, i64 rows, i64 length, i64 team) {                                         \
    with_shared_row(x, rows, (int)length, (int)team, [&](auto row, const T* from) {                \
      softmax<true>(row.of(to), from, row);                                                        \
    });                                                                                            \
  }                                                                                                \
  KERNEL __launch_bounds__(MOST_TEAM) layer_norm_shared_##TYPE(                                    \
      T* to, const T* x, const T* gamma, const T* beta, float epsilon, i64 rows, i64 length,       \
      i64 team) {                                                                                  \
    with_shared_row(x, rows, (int)length, (int)team, [&](auto row, const T* from) {                \
      layer_norm(row.of(to), from, gamma + row.first, beta + row.first, epsilon, row);             \
    });                                                                                            \
  }                                                                                                \
  KERNEL __launch_bounds__(MOST_TEAM) rms_norm_shared_##TYPE(                                      \
      T* to, const T* x, const T* gamma, float epsilon, i64 rows, i64 length, i64 team) {          \
    with_shared_row(x, rows, (int)length, (int)team, [&](auto row, const T* from) {                \
      rms_norm(row.of(to), from, gamma + row.first, epsilon, row);                                 \
    });                                                                                            \
  }

SHARED(bf16, Bfloat16)
SHARED(f16, Float16)

// Softmax of rows for which one block needs a multiprocessor. It has shared memory for a whole row and
// takes several in turn: as soon as an element is in a register, the next row's is copied to its place,
// so that memory is read while exponentials are computed. All elements are read and written by the
// thread that has copied them; threads only wait for each other where they fold.
#include "async.cuh"
#include "math.cuh"

const int THREADS = 1024;

// Elements of a row that a thread keeps in registers, and those it works on at a time. It has every
// THREADS-th one.
const int HELD = 32;
const int RUN = 4;

// Folds that follow each other have different slots of two, so that none waits for the readers of
// another.
template <typename F>
__device__ inline float fold(int slot, float x, F f) {
  __shared__ float slots[2][THREADS / 32];
  float* warps = slots[slot];
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) {
    x = f(x, __shfl_xor_sync(0xffffffff, x, mask));
  }
  if (threadIdx.x % 32 == 0) {
    warps[threadIdx.x / 32] = x;
  }
  __syncthreads();
  x = warps[threadIdx.x % 32];
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) {
    x = f(x, __shfl_xor_sync(0xffffffff, x, mask));
  }
  return x;
}

__device__ inline float sum(int slot, float x) {
  return fold(slot, x, [](float y, float z) { return y + z; });
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
    max = fold(0, max, [](float y, float z) { return fmaxf(y, z); });
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
    total = sum(1, total);
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
    total = sum(slot, total);
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

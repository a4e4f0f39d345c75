// Rows that lie one after another. A team of threads, a part of a warp, a warp or a block, has
// a row. A row that is not too long is in registers while it is worked on; of longer ones the first
// elements are, and sweeps over them go to and fro. Beyond the row lie values without effect.
// Sums follow the length of the row alone: the elements of a thread, lanes of a warp, warps of a
// block.
#pragma once
#include "math.cuh"
#include "quads.cuh"

// Elements of a row that a thread keeps, and of each of two rows or more.
const int HELD = 32;
const int HELD_OF_TWO = 16;
const int HELD_OF_FOUR = 8;

// The most threads of a team.
const int MOST_TEAM = 1024;

// A thread's part of a row: every so many elements a run of four, or four elements a step apart where
// rows are no multiple of four.
//
// RUNS: whether a run is loaded in one access
// KEPT: whether the row is no longer than what the team keeps
template <bool RUNS, bool KEPT = false>
struct Row {
  static const bool QUADS = RUNS;
  static const bool WHOLE = KEPT;

  i64 index;
  bool real; // otherwise a thread beyond the last row, which takes part without effect
  int length;
  int team; // a power of two
  int lane;
  int first;
  int step;

  // Whether the row has an element, by its distance from the first of the thread.
  __device__ bool has(int at, int k) const {
    return RUNS ? at < length - first : at + k * step < length - first;
  }

  // The thread's first element.
  template <typename T>
  __device__ T* of(T* rows) const {
    return rows + index * length + first;
  }
};

// f(the thread's row) for rows at addresses that were joined with |.
template <typename F>
__device__ inline void with_row(i64 rows, i64 length, i64 team, u64 addresses, F f) {
  auto with = [&](auto row, bool runs) {
    int shift = 31 - __clz((int)team);
    row.team = (int)team;
    row.lane = (int)(threadIdx.x & (u32)(row.team - 1));
    row.index = (i64)blockIdx.x * (blockDim.x >> shift) + (threadIdx.x >> shift);
    row.real = row.index < rows;
    row.index = row.real ? row.index : rows - 1;
    row.length = (int)length;
    row.first = runs ? 4 * row.lane : row.lane;
    row.step = runs ? 1 : row.team;
    f(row);
  };
  bool runs = length % 4 == 0;
  if (runs && are_aligned(addresses)) {
    with(Row<true>(), true);
  } else {
    with(Row<false>(), runs);
  }
}

// f(place among those kept, distance from the thread's first element) for a thread's runs of the
// chunk. There are as many for all threads, so that some lie beyond the row.
template <int N, typename ROW, typename F>
__device__ inline void each_run(const ROW& row, int start, F f) {
#pragma unroll
  for (int i = 0; i < N; i += 4) {
    int at = start + i * row.team;
    if (at < row.length) {
      f(i, at);
    }
  }
}

// A run, with a value of no effect beyond the row.
template <typename ROW, typename T>
__device__ inline void load_run(
    const ROW& row, int at, const T* from, float beyond, float* values) {
  bool whole = at + 4 * row.team <= row.length; // for all threads
  if (ROW::QUADS && whole) {
    load_quad(values, from + at);
    return;
  }
#pragma unroll
  for (int k = 0; k < 4; k++) {
    values[k] = !ROW::QUADS && (whole || row.has(at, k)) ? widened(from[at + k * row.step]) : beyond;
  }
  if (ROW::QUADS && row.has(at, 0)) {
    load_quad(values, from + at);
  }
}

template <int N, typename ROW, typename T>
__device__ inline void load(
    const ROW& row, int start, const T* from, float beyond, float (&values)[N]) {
  each_run<N>(row, start, [&](int i, int at) { load_run(row, at, from, beyond, values + i); });
}

template <int N, typename ROW, typename T>
__device__ inline void store(
    const ROW& row, int start, T* to, const float (&values)[N]) {
  if (!row.real) {
    return;
  }
  each_run<N>(row, start, [&](int i, int at) {
    if (ROW::QUADS && row.has(at, 0)) {
      store_quad(to + at, values + i);
    }
#pragma unroll
    for (int k = 0; k < 4; k++) {
      if (!ROW::QUADS && row.has(at, k)) {
        put(&to[at + k * row.step], values[i + k]);
      }
    }
  });
}

// The start of the last chunk of so many elements for each thread.
template <int N, typename ROW>
__device__ inline int last_start(const ROW& row) {
  return ROW::WHOLE ? 0 : (row.length - 1) & -(N * row.team);
}

// f(start) for all chunks, from the last to the first, which stays in registers.
template <int N, typename ROW, typename F>
__device__ inline void sweep_down(const ROW& row, F f) {
  for (int start = last_start<N>(row); start >= 0; start -= N * row.team) {
    f(start);
  }
}

template <int N, typename ROW, typename F>
__device__ inline void sweep_up(const ROW& row, F f) {
  for (int start = 0; start < (ROW::WHOLE ? 1 : row.length); start += N * row.team) {
    f(start);
  }
}

struct Pair {
  float first;
  float second;
};

__device__ inline float exchange(float x, int mask) {
  return __shfl_xor_sync(0xffffffff, x, mask);
}

__device__ inline Pair exchange(Pair x, int mask) {
  return {exchange(x.first, mask), exchange(x.second, mask)};
}

// Folds of a kernel that follow each other have different slots, so that none waits for the readers
// of another.
template <int SLOT, typename ROW, typename T, typename F>
__device__ inline T fold(const ROW& row, T x, F f) {
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) {
    if (mask < row.team) {
      x = f(x, exchange(x, mask));
    }
  }
  if (row.team > 32) {
    __shared__ T warps[MOST_TEAM / 32];
    u32 team = (u32)row.team / 32;
    u32 warp = threadIdx.x / 32;
    if (threadIdx.x % 32 == 0) {
      warps[warp] = x;
    }
    __syncthreads();
    x = warps[(warp & -team) | (threadIdx.x & (team - 1))];
#pragma unroll
    for (int mask = 16; mask > 0; mask /= 2) {
      if (mask < team) {
        x = f(x, exchange(x, mask));
      }
    }
  }
  return x;
}

template <int SLOT, typename ROW>
__device__ inline float sum(const ROW& row, float x) {
  return fold<SLOT>(row, x, [](float y, float z) { return y + z; });
}

template <int SLOT, typename ROW>
__device__ inline Pair sum(const ROW& row, Pair x) {
  return fold<SLOT>(row, x, [](Pair y, Pair z) {
    return Pair{y.first + z.first, y.second + z.second};
  });
}

// Not NaN: that shows in sums.
template <int SLOT, typename ROW>
__device__ inline float most(const ROW& row, float x) {
  return fold<SLOT>(row, x, [](float y, float z) { return fmaxf(y, z); });
}

// to, x: the thread's first elements
template <bool LOG, typename ROW, typename T>
__device__ inline void softmax(T* to, const T* x, const ROW& row) {
  const float BEYOND = __int_as_float((int)0xff800000);
  float values[HELD];
  // Finite, so that rows may start with -infinity.
  float max = -0x1.fffffep127f;
  float total = 0;
  auto load_most = [&](int start) {
    load(row, start, x, BEYOND, values);
    each_run<HELD>(row, start, [&](int i, int) {
#pragma unroll
      for (int k = 0; k < 4; k++) {
        max = fmaxf(max, values[i + k]);
      }
    });
  };
  for (int start = last_start<HELD>(row); start > 0; start -= HELD * row.team) {
    float before = max;
    load_most(start);
    total *= scalar::exp_negative(before - max);
    each_run<HELD>(row, start, [&](int i, int) {
#pragma unroll
      for (int k = 0; k < 4; k++) {
        total += scalar::exp_negative(values[i + k] - max);
      }
    });
  }
  float before = max;
  load_most(0);
  max = most<0>(row, max);
  total *= scalar::exp_negative(before - max);
  each_run<HELD>(row, 0, [&](int i, int) {
#pragma unroll
    for (int k = 0; k < 4; k++) {
      float e = scalar::exp_negative(values[i + k] - max);
      total += e;
      values[i + k] = LOG ? values[i + k] : e;
    }
  });
  total = sum<0>(row, total);
  float log = LOG ? scalar::log(total) : 0;
  float factor = 1 / total;
  sweep_up<HELD>(row, [&](int start) {
    if (start > 0) {
      load(row, start, x, BEYOND, values);
    }
    each_run<HELD>(row, start, [&](int i, int) {
#pragma unroll
      for (int k = 0; k < 4; k++) {
        float& value = values[i + k];
        if (LOG) {
          value = value - max - log;
        } else {
          value = (start > 0 ? scalar::exp_negative(value - max) : value) * factor;
        }
      }
    });
    store(row, start, to, values);
  });
}

struct Normal {
  float mean;
  float scale;
};

// Mean and inverse deviation of a row, whose last chunk stays in registers.
template <int N, typename ROW, typename T>
__device__ inline Normal normal(
    const ROW& row, const T* x, float epsilon, bool centred, float (&values)[N]) {
  float total = 0;
  sweep_down<N>(row, [&](int start) {
    load(row, start, x, 0, values);
    if (centred) {
      each_run<N>(row, start, [&](int i, int) {
#pragma unroll
        for (int k = i; k < i + 4; k++) {
          total += values[k];
        }
      });
    }
  });
  float mean = centred ? sum<0>(row, total) / row.length : 0;
  float squares = 0;
  sweep_up<N>(row, [&](int start) {
    if (start > 0) {
      load(row, start, x, 0, values);
    }
    each_run<N>(row, start, [&](int i, int at) {
#pragma unroll
      for (int k = 0; k < 4; k++) {
        float deviation = row.has(at, k) ? values[i + k] - mean : 0;
        squares = fmaf(deviation, deviation, squares);
      }
    });
  });
  return {mean, 1 / sqrtf(sum<1>(row, squares) / row.length + epsilon)};
}

// to = f(place among those kept, first index) of all runs of a row with the last chunk in registers.
template <int N, typename ROW, typename T, typename F>
__device__ inline void map(
    const ROW& row, const T* x, T* to, float (&values)[N], F f) {
  int last = last_start<N>(row);
  sweep_down<N>(row, [&](int start) {
    if (start < last) {
      load(row, start, x, 0, values);
    }
    each_run<N>(row, start, f);
    store(row, start, to, values);
  });
}

// All addresses are those of the thread's first elements.
template <typename ROW, typename T>
__device__ inline void layer_norm(
    T* to, const T* x, const T* gamma, const T* beta, float epsilon, const ROW& row) {
  float values[HELD];
  Normal n = normal(row, x, epsilon, true, values);
  map(row, x, to, values, [&](int i, int at) {
    float gammas[4];
    float betas[4];
    load_run(row, at, gamma, 0, gammas);
    load_run(row, at, beta, 0, betas);
#pragma unroll
    for (int k = 0; k < 4; k++) {
      values[i + k] = fmaf((values[i + k] - n.mean) * n.scale, gammas[k], betas[k]);
    }
  });
}

template <typename ROW, typename T>
__device__ inline void rms_norm(
    T* to, const T* x, const T* gamma, float epsilon, const ROW& row) {
  float values[HELD];
  Normal n = normal(row, x, epsilon, false, values);
  map(row, x, to, values, [&](int i, int at) {
    float gammas[4];
    load_run(row, at, gamma, 0, gammas);
#pragma unroll
    for (int k = 0; k < 4; k++) {
      values[i + k] = values[i + k] * n.scale * gammas[k];
    }
  });
}

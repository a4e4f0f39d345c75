// Pooling and its gradient. Windows that are common are known when the code is compiled.
#include "quads.cuh"

struct Pool {
  i64 count; // of the elements to make
  i64 height, width; // of the images
  i64 out_height, out_width;
  i64 kernel_h, kernel_w;
  i64 stride_h, stride_w;
  i64 top, left; // padding
  i64 dilation_h, dilation_w;
  i64 counts_padding;
};

// An element of the images or of the output.
struct Position {
  int plane, y, x;
};

// Sides and steps of windows, of which those of SIDE 0 are known when the code runs.
template <int SIDE, int STRIDE>
struct Windows {
  static const int UNROLLED = SIDE > 0 ? SIDE : 1;
  // Windows over one pixel, and over 4 in a row, in one dimension.
  static const int OVER_ONE = SIDE > 0 ? (SIDE + STRIDE - 1) / STRIDE : 0;
  static const int OVER_FOUR = SIDE > 0 ? (SIDE + 3 + STRIDE - 1) / STRIDE : 0;
  int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;

  __device__ explicit Windows(const Pool& pool)
      : kernel_h(SIDE > 0 ? SIDE : (int)pool.kernel_h),
        kernel_w(SIDE > 0 ? SIDE : (int)pool.kernel_w),
        stride_h(SIDE > 0 ? STRIDE : (int)pool.stride_h),
        stride_w(SIDE > 0 ? STRIDE : (int)pool.stride_w),
        dilation_h(SIDE > 0 ? 1 : (int)pool.dilation_h),
        dilation_w(SIDE > 0 ? 1 : (int)pool.dilation_w) {}
};

// Twice the side and the step of square windows without gaps, 0 for others.
__device__ inline int kind(const Pool& pool) {
  int side = (int)pool.kernel_h;
  int stride = (int)pool.stride_h;
  bool square = (int)pool.kernel_w == side && (int)pool.stride_w == stride
      && (int)pool.dilation_h == 1 && (int)pool.dilation_w == 1;
  return square && side <= 3 && stride <= 2 ? 2 * side + stride : 0;
}

const int TWO_BY_TWO = 2 * 2 + 2;
const int THREE_BY_TWO = 2 * 3 + 2;
const int THREE_BY_ONE = 2 * 3 + 1;

// Calls run with the windows.
template <typename Run>
__device__ inline void with_windows(const Pool& pool, Run run) {
  switch (kind(pool)) {
    case TWO_BY_TWO:
      run(Windows<2, 2>(pool));
      break;
    case THREE_BY_TWO:
      run(Windows<3, 2>(pool));
      break;
    case THREE_BY_ONE:
      run(Windows<3, 1>(pool));
      break;
    default:
      run(Windows<0, 0>(pool));
  }
}

__device__ inline Position position(u32 index, i64 height, i64 width) {
  u32 row = index / (u32)width;
  u32 plane = row / (u32)height;
  return {(int)plane, (int)(row - plane * (u32)height), (int)(index - row * (u32)width)};
}

// Stores what make returns for 4 windows of this thread, so far apart that neighbouring threads read
// side by side.
template <typename T, typename Make>
__device__ inline void for_windows(T* to, const Pool& pool, Make make) {
  u32 first = blockIdx.x * blockDim.x * 4 + threadIdx.x;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    u32 index = first + i * blockDim.x;
    if (index < pool.count) {
      to[index] = make(position(index, pool.out_height, pool.out_width));
    }
  }
}

// Calls visit with the index in its plane and the value of each element under a window.
template <typename Visit, int SIDE, int STRIDE>
__device__ inline void each_under(
    const float* images,
    const Pool& pool,
    const Windows<SIDE, STRIDE>& windows,
    Position window,
    Visit visit) {
  int height = (int)pool.height;
  int width = (int)pool.width;
  int top = window.y * windows.stride_h - (int)pool.top;
  int left = window.x * windows.stride_w - (int)pool.left;
  const float* plane = images + (i64)window.plane * height * width;
#pragma unroll(Windows<SIDE, STRIDE>::UNROLLED)
  for (int j = 0; j < windows.kernel_h; j++) {
    int y = top + j * windows.dilation_h;
#pragma unroll(Windows<SIDE, STRIDE>::UNROLLED)
    for (int i = 0; i < windows.kernel_w; i++) {
      int x = left + i * windows.dilation_w;
      if ((u32)y < (u32)height && (u32)x < (u32)width) {
        visit(y * width + x, plane[y * width + x]);
      }
    }
  }
}

// Elements under a window in one dimension; dilated windows cover no padding.
__device__ inline int covered(int first, i64 kernel, i64 dilation, i64 size) {
  if (dilation > 1) {
    return (int)kernel;
  }
  int end = first + (int)kernel;
  return (end < size ? end : (int)size) - (first > 0 ? first : 0);
}

__device__ inline float divisor(const Pool& pool, int y, int x) {
  if (pool.counts_padding) {
    return (float)(pool.kernel_h * pool.kernel_w);
  }
  int top = y * (int)pool.stride_h - (int)pool.top;
  int left = x * (int)pool.stride_w - (int)pool.left;
  return (float)(covered(top, pool.kernel_h, pool.dilation_h, pool.height)
      * covered(left, pool.kernel_w, pool.dilation_w, pool.width));
}

KERNEL pool2d_max_f32(float* __restrict__ to, const float* __restrict__ images, Pool pool) {
  with_windows(pool, [&](auto windows) {
    for_windows(to, pool, [&](Position window) {
      float max = __int_as_float((int)0xff800000);
      each_under(images, pool, windows, window, [&](int, float x) {
        bool above = x == max & __float_as_int(max) < 0; // -0 is less than 0
        max = x > max | is_nan(x) | above ? x : max;
      });
      return max;
    });
  });
}

KERNEL pool2d_avg_f32(float* __restrict__ to, const float* __restrict__ images, Pool pool) {
  with_windows(pool, [&](auto windows) {
    for_windows(to, pool, [&](Position window) {
      float sum = 0;
      each_under(images, pool, windows, window, [&](int, float x) { sum += x; });
      return sum / divisor(pool, window.y, window.x);
    });
  });
}

// Where in its plane the first maximum under each window lies, NaN above all.
KERNEL pool2d_winners_f32(
    int* __restrict__ to, const float* __restrict__ images, Pool pool) {
  with_windows(pool, [&](auto windows) {
    for_windows(to, pool, [&](Position window) {
      float max = 0;
      int winner = -1;
      each_under(images, pool, windows, window, [&](int at, float x) {
        bool wins = winner < 0 | x > max | (is_nan(x) & !is_nan(max));
        max = wins ? x : max;
        winner = wins ? at : winner;
      });
      return winner;
    });
  });
}

// A window over pixels: its index and position, and whether there is such.
struct Over {
  u32 index;
  int y, x;
  bool exists;
};

// The first window over a pixel in one dimension, where `from` counts from the padding on.
__device__ inline int first_over(int from, int span, int stride) {
  return from > span ? (int)((u32)(from - span + stride - 1) / (u32)stride) : 0;
}

// Sums the shares of the windows over a pixel: what pick returns for what load returns.
template <typename Load, typename Pick>
__device__ inline float sum_over(const Pool& pool, Position pixel, Load load, Pick pick) {
  int stride_h = (int)pool.stride_h;
  int stride_w = (int)pool.stride_w;
  int from_top = pixel.y + (int)pool.top;
  int from_left = pixel.x + (int)pool.left;
  int first_y = first_over(from_top, (int)((pool.kernel_h - 1) * pool.dilation_h), stride_h);
  int first_x = first_over(from_left, (int)((pool.kernel_w - 1) * pool.dilation_w), stride_w);
  int self = pixel.y * (int)pool.width + pixel.x;
  float sum = 0;
  for (int y = first_y; y < (int)pool.out_height && y * stride_h <= from_top; y++) {
    if (pool.dilation_h > 1 && (from_top - y * stride_h) % (int)pool.dilation_h != 0) {
      continue;
    }
    for (int x = first_x; x < (int)pool.out_width && x * stride_w <= from_left; x++) {
      if (pool.dilation_w > 1 && (from_left - x * stride_w) % (int)pool.dilation_w != 0) {
        continue;
      }
      u32 row = (u32)pixel.plane * (u32)pool.out_height + y;
      sum += pick(load(Over{row * (u32)pool.out_width + x, y, x, true}), self, true);
    }
  }
  return sum;
}

// The same for 4 pixels of a row, whose windows are loaded once. Of those some are absent or do not
// cover all pixels, which adds 0: that changes no sum, as none is -0.
template <typename Load, typename Pick, int SIDE, int STRIDE>
__device__ inline void sums_over(
    float (&sums)[4],
    const Pool& pool,
    const Windows<SIDE, STRIDE>&,
    Position pixel,
    Load load,
    Pick pick) {
  typedef Windows<SIDE, STRIDE> Known;
  int from_top = pixel.y + (int)pool.top;
  int from_left = pixel.x + (int)pool.left;
  int first_y = first_over(from_top, SIDE - 1, STRIDE);
  int first_x = first_over(from_left, SIDE - 1, STRIDE);
  int self = pixel.y * (int)pool.width + pixel.x;
#pragma unroll
  for (int j = 0; j < Known::OVER_ONE; j++) {
    int y = first_y + j;
    u32 row = (u32)pixel.plane * (u32)pool.out_height + y;
    bool in_column = y < (int)pool.out_height && y * STRIDE <= from_top;
#pragma unroll
    for (int i = 0; i < Known::OVER_FOUR; i++) {
      int x = first_x + i;
      bool exists = in_column && x < (int)pool.out_width;
      auto loaded = load(Over{row * (u32)pool.out_width + x, y, x, exists});
#pragma unroll
      for (int k = 0; k < 4; k++) {
        sums[k] += pick(loaded, self + k, (u32)(from_left + k - x * STRIDE) < (u32)SIDE);
      }
    }
  }
}

// A thread makes 4 pixels that follow each other.
template <typename Load, typename Pick>
__device__ inline void for_pixels(float* to, const Pool& pool, Load load, Pick pick) {
  u32 first = thread_index() * 4;
  if (first >= pool.count) {
    return;
  }
  Position at = position(first, pool.height, pool.width);
  bool in_row = at.x + 4 <= pool.width;
  float sums[4] = {0, 0, 0, 0};
  int windows = in_row ? kind(pool) : 0;
  if (windows == TWO_BY_TWO) {
    sums_over(sums, pool, Windows<2, 2>(pool), at, load, pick);
  } else if (windows == THREE_BY_TWO) {
    sums_over(sums, pool, Windows<3, 2>(pool), at, load, pick);
  } else if (windows == THREE_BY_ONE) {
    sums_over(sums, pool, Windows<3, 1>(pool), at, load, pick);
  } else {
#pragma unroll // not a loop, for the sums to stay in registers
    for (int k = 0; k < 4; k++) {
      if (first + k < pool.count) {
        sums[k] = sum_over(pool, position(first + k, pool.height, pool.width), load, pick);
      }
    }
  }
  store_quad(to, sums, first, pool.count, are_aligned((u64)to));
}

struct Winner {
  int at;
  float gradient;
};

KERNEL pool2d_max_grad_f32(
    float* __restrict__ to,
    const float* __restrict__ gradient,
    const int* __restrict__ winners,
    Pool pool) {
  for_pixels(
      to,
      pool,
      [&](Over window) {
        return window.exists ? Winner{winners[window.index], gradient[window.index]}
                             : Winner{-1, 0};
      },
      [](Winner winner, int self, bool) { return winner.at == self ? winner.gradient : 0.0f; });
}

KERNEL pool2d_avg_grad_f32(float* __restrict__ to, const float* __restrict__ gradient, Pool pool) {
  for_pixels(
      to,
      pool,
      [&](Over window) {
        float whole = window.exists ? gradient[window.index] : 0;
        float share = whole / divisor(pool, window.y, window.x);
        return window.exists ? share : 0;
      },
      [](float share, int, bool covers) { return covers ? share : 0.0f; });
}

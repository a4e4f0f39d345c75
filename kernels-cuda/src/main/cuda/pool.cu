// Pooling and its gradient. A thread makes 4 elements that follow each other.
#include "quern.cuh"

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

// Calls make with each of the positions of this thread, and stores what it returns.
template <typename T, typename Make>
__device__ inline void make_four(T* to, i64 count, i64 height, i64 width, Make make) {
  u32 first = thread_index() * 4;
  if (first >= count) {
    return;
  }
  u32 row = first / (u32)width;
  int plane = (int)(row / (u32)height);
  Position at = {plane, (int)(row - plane * (u32)height), (int)(first - row * (u32)width)};
  struct alignas(16) {
    T lane[4];
  } four;
  int made = count - first < 4 ? (int)(count - first) : 4;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    if (i < made) {
      four.lane[i] = make(at);
    }
    at.x++;
    if (at.x == width) {
      at.x = 0;
      at.y++;
    }
    if (at.y == height) {
      at.y = 0;
      at.plane++;
    }
  }
  to += first;
  if (made == 4 && (u64)to % 16 == 0) {
    *(decltype(four)*)to = four;
    return;
  }
  for (int i = 0; i < made; i++) {
    to[i] = four.lane[i];
  }
}

// Calls visit with the index in its plane and the value of each element under a window.
template <typename Visit>
__device__ inline void each_under(
    const float* images, const Pool& pool, Position window, Visit visit) {
  int height = (int)pool.height;
  int width = (int)pool.width;
  int top = window.y * (int)pool.stride_h - (int)pool.top;
  int left = window.x * (int)pool.stride_w - (int)pool.left;
  const float* plane = images + (i64)window.plane * height * width;
  for (int j = 0; j < (int)pool.kernel_h; j++) {
    int y = top + j * (int)pool.dilation_h;
    if ((u32)y >= (u32)height) {
      continue;
    }
    for (int i = 0; i < (int)pool.kernel_w; i++) {
      int x = left + i * (int)pool.dilation_w;
      if ((u32)x < (u32)width) {
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

KERNEL pool2d_max_f32(float* to, const float* images, Pool pool) {
  make_four(to, pool.count, pool.out_height, pool.out_width, [&](Position window) {
    float max = __int_as_float((int)0xff800000);
    each_under(images, pool, window, [&](int, float x) { max = larger(max, x); });
    return max;
  });
}

KERNEL pool2d_avg_f32(float* to, const float* images, Pool pool) {
  make_four(to, pool.count, pool.out_height, pool.out_width, [&](Position window) {
    float sum = 0;
    each_under(images, pool, window, [&](int, float x) { sum += x; });
    return sum / divisor(pool, window.y, window.x);
  });
}

// Where in its plane the first maximum under each window lies, NaN above all.
KERNEL pool2d_winners_f32(int* to, const float* images, Pool pool) {
  make_four(to, pool.count, pool.out_height, pool.out_width, [&](Position window) {
    float max = 0;
    int winner = -1;
    each_under(images, pool, window, [&](int at, float x) {
      if (winner < 0 || x > max || (is_nan(x) && !is_nan(max))) {
        max = x;
        winner = at;
      }
    });
    return winner;
  });
}

// Sums what share returns for each window over an element, given the window's index and position.
template <typename Share>
__device__ inline float sum_over(const Pool& pool, Position pixel, Share share) {
  int stride_h = (int)pool.stride_h;
  int stride_w = (int)pool.stride_w;
  int from_top = pixel.y + (int)pool.top;
  int from_left = pixel.x + (int)pool.left;
  int span_h = (int)(pool.kernel_h - 1) * (int)pool.dilation_h;
  int span_w = (int)(pool.kernel_w - 1) * (int)pool.dilation_w;
  int first_y = from_top > span_h ? (from_top - span_h + stride_h - 1) / stride_h : 0;
  int first_x = from_left > span_w ? (from_left - span_w + stride_w - 1) / stride_w : 0;
  float sum = 0;
  for (int y = first_y; y < (int)pool.out_height && y * stride_h <= from_top; y++) {
    if (pool.dilation_h > 1 && (from_top - y * stride_h) % (int)pool.dilation_h != 0) {
      continue;
    }
    for (int x = first_x; x < (int)pool.out_width && x * stride_w <= from_left; x++) {
      if (pool.dilation_w > 1 && (from_left - x * stride_w) % (int)pool.dilation_w != 0) {
        continue;
      }
      i64 window = ((i64)pixel.plane * pool.out_height + y) * pool.out_width + x;
      sum += share(window, y, x);
    }
  }
  return sum;
}

KERNEL pool2d_max_grad_f32(float* to, const float* gradient, const int* winners, Pool pool) {
  make_four(to, pool.count, pool.height, pool.width, [&](Position pixel) {
    int self = pixel.y * (int)pool.width + pixel.x;
    return sum_over(pool, pixel, [&](i64 window, int, int) {
      return winners[window] == self ? gradient[window] : 0.0f;
    });
  });
}

KERNEL pool2d_avg_grad_f32(float* to, const float* gradient, Pool pool) {
  make_four(to, pool.count, pool.height, pool.width, [&](Position pixel) {
    return sum_over(pool, pixel, [&](i64 window, int y, int x) {
      return gradient[window] / divisor(pool, y, x);
    });
  });
}

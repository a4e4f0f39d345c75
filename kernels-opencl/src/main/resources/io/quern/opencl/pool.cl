// Pooling and its gradient. A thread makes 4 elements that follow each other.

typedef struct {
  i64 count; // of the elements to make
  i64 height, width; // of the images
  i64 out_height, out_width;
  i64 kernel_h, kernel_w;
  i64 stride_h, stride_w;
  i64 top, left; // padding
  i64 dilation_h, dilation_w;
  i64 counts_padding;
} Pool;

// An element of the images or of the output.
typedef struct {
  int plane, y, x;
} Position;

static inline Position position(i64 index, i64 height, i64 width) {
  u32 row = (u32)index / (u32)width;
  u32 plane = row / (u32)height;
  Position at = {(int)plane, (int)(row - plane * (u32)height), (int)((u32)index - row * (u32)width)};
  return at;
}

// For each element of this thread, with its index.
#define EACH \
  for (i64 index = 4 * (i64)THREAD_INDEX, last = min(index + 4, pool.count); index < last; index++)

// For each element under a window, with its index in its plane and its value.
#define EACH_UNDER(window) \
  const global float *plane = images + (i64)window.plane * pool.height * pool.width; \
  int window_top = window.y * (int)pool.stride_h - (int)pool.top; \
  int window_left = window.x * (int)pool.stride_w - (int)pool.left; \
  for (int j = 0; j < (int)pool.kernel_h; j++) \
    for (int i = 0, y = window_top + j * (int)pool.dilation_h; i < (int)pool.kernel_w; i++) \
      for (int x = window_left + i * (int)pool.dilation_w, once = 1; \
           once && y >= 0 && y < pool.height && x >= 0 && x < pool.width; once = 0)

#define AT (y * (int)pool.width + x)

// Elements under a window in one dimension; dilated windows cover no padding.
static inline int covered(int first, i64 size_of_kernel, i64 dilation, i64 size) {
  int end = min(first + (int)size_of_kernel, (int)size);
  return dilation > 1 ? (int)size_of_kernel : end - max(first, 0);
}

static inline float divisor(const Pool *pool, int y, int x) {
  if (pool->counts_padding) {
    return (float)(pool->kernel_h * pool->kernel_w);
  }
  int top = y * (int)pool->stride_h - (int)pool->top;
  int left = x * (int)pool->stride_w - (int)pool->left;
  return (float)(covered(top, pool->kernel_h, pool->dilation_h, pool->height)
      * covered(left, pool->kernel_w, pool->dilation_w, pool->width));
}

kernel void pool2d_max_f32(PASS(float, to), PASS(const float, images), Pool pool) {
  TAKE(float, to);
  TAKE(const float, images);
  EACH {
    Position window = position(index, pool.out_height, pool.out_width);
    float most = -INFINITY;
    EACH_UNDER(window) {
      most = larger(most, plane[AT]);
    }
    to[index] = most;
  }
}

kernel void pool2d_avg_f32(PASS(float, to), PASS(const float, images), Pool pool) {
  TAKE(float, to);
  TAKE(const float, images);
  EACH {
    Position window = position(index, pool.out_height, pool.out_width);
    float sum = 0;
    EACH_UNDER(window) {
      sum += plane[AT];
    }
    to[index] = sum / divisor(&pool, window.y, window.x);
  }
}

// Where in its plane the first maximum under each window lies, NaN above all.
kernel void pool2d_winners_f32(PASS(int, to), PASS(const float, images), Pool pool) {
  TAKE(int, to);
  TAKE(const float, images);
  EACH {
    Position window = position(index, pool.out_height, pool.out_width);
    float most = 0;
    int winner = -1;
    EACH_UNDER(window) {
      float value = plane[AT];
      if (winner < 0 || value > most || (isnan(value) && !isnan(most))) {
        most = value;
        winner = AT;
      }
    }
    to[index] = winner;
  }
}

// The first window over an element in one dimension.
static inline int first_window(int place, i64 size_of_kernel, i64 dilation, int stride) {
  int span = (int)(size_of_kernel - 1) * (int)dilation;
  return place > span ? (place - span + stride - 1) / stride : 0;
}

// For each window over an element, at row y and column x of the output.
#define EACH_OVER(pixel) \
  int from_top = pixel.y + (int)pool.top; \
  int from_left = pixel.x + (int)pool.left; \
  int stride_h = (int)pool.stride_h; \
  int stride_w = (int)pool.stride_w; \
  for (int y = first_window(from_top, pool.kernel_h, pool.dilation_h, stride_h); \
       y < (int)pool.out_height && y * stride_h <= from_top; y++) \
    for (int x = first_window(from_left, pool.kernel_w, pool.dilation_w, stride_w); \
         x < (int)pool.out_width && x * stride_w <= from_left; x++) \
      if ((from_top - y * stride_h) % (int)pool.dilation_h == 0 \
          && (from_left - x * stride_w) % (int)pool.dilation_w == 0)

#define WINDOW (((i64)pixel.plane * pool.out_height + y) * pool.out_width + x)

kernel void pool2d_max_grad_f32(
    PASS(float, to), PASS(const float, gradient), PASS(const int, winners), Pool pool) {
  TAKE(float, to);
  TAKE(const float, gradient);
  TAKE(const int, winners);
  EACH {
    Position pixel = position(index, pool.height, pool.width);
    int self = pixel.y * (int)pool.width + pixel.x;
    float sum = 0;
    EACH_OVER(pixel) {
      sum += winners[WINDOW] == self ? gradient[WINDOW] : 0.0f;
    }
    to[index] = sum;
  }
}

kernel void pool2d_avg_grad_f32(PASS(float, to), PASS(const float, gradient), Pool pool) {
  TAKE(float, to);
  TAKE(const float, gradient);
  EACH {
    Position pixel = position(index, pool.height, pool.width);
    float sum = 0;
    EACH_OVER(pixel) {
      sum += gradient[WINDOW] / divisor(&pool, y, x);
    }
    to[index] = sum;
  }
}

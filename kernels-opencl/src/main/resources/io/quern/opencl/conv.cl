// Convolutions and their gradients as products of matrices, one of which is never laid out: its
// columns and its steps are the pixels and the taps of a filter, whose places in an image add up.
// Each element is a sum over the steps in ascending order, or over parts of them.

// How an index runs over an image, outermost first: a channel or an image, rows, columns.
typedef struct {
  i64 area, width; // of rows and columns
  i64 top, down; // the first row of the image, and rows between neighbours
  i64 left, right;
  i64 image, row; // elements of the image between neighbours
  i64 other, other_row, other_column; // elements of the other operand between neighbours
} Places;

// Where an index leads: x and y of the image, the element of the image in z, and in w that of the
// other operand, negative for places that are none.
typedef int4 Place;

typedef struct {
  i64 m, n, k; // of one group
  i64 height, width; // of the image
  i64 a_first, a_row, a_group; // the other operand
  i64 b_group; // the image
  i64 c_first, c_row, c_group; // the result
  i64 part_length; // steps of one part of the sum
  i64 c_part; // elements between parts of the result
  i64 relu; // whether it makes negative results 0
} Product;

// Added to any other place it lies outside of the image.
#define OUTSIDE (-(1 << 30))

static inline Place place(const Places *places, u32 index) {
  u32 area = (u32)places->area;
  u32 width = (u32)places->width;
  u32 outer = index / area;
  u32 inner = index - outer * area;
  u32 row = inner / width;
  int column = (int)(inner - row * width);
  int y = (int)places->top + (int)row * (int)places->down;
  int x = (int)places->left + column * (int)places->right;
  return (Place)(
      x, y, (int)outer * (int)places->image + y * (int)places->row + x,
      (int)outer * (int)places->other + (int)row * (int)places->other_row
          + column * (int)places->other_column);
}

static inline Place place_before(const Places *places, i64 index, i64 end) {
  return index < end ? place(places, (u32)index) : (Place)(OUTSIDE, OUTSIDE, 0, -1);
}

static inline float pixel(const global float *image, const Product *shape, Place column, Place step) {
  int y = column.y + step.y;
  int x = column.x + step.x;
  bool inside = y >= 0 && y < shape->height && x >= 0 && x < shape->width;
  return LOAD_IF(inside, image, column.z + step.z);
}

static inline float finish(float x, i64 relu) {
  return relu && x <= 0 ? 0.0f : x;
}

#define DEPTH 8

// A block of ACROSS columns of threads makes a tile of the result of one group, or of one part of
// it. A thread has PER_M rows and PER_N columns, which lie as many apart as there are threads.
#define CONVOLUTION(NAME, TILE_M, TILE_N, PER_M, PER_N) \
  kernel __attribute__((reqd_work_group_size(TILE_M / PER_M * TILE_N / PER_N, 1, 1))) void NAME( \
      PASS(float, c), PASS(const float, a), PASS(const float, b), PASS(const float, bias), \
      Product shape, Places columns, Places steps) { \
    TAKE(float, c); \
    TAKE(const float, a); \
    TAKE(const float, b); \
    TAKE_OPTIONAL(const float, bias); \
    local float tile_a[DEPTH][TILE_M + 1]; \
    local float tile_b[DEPTH][TILE_N + 1]; \
    local Place column_places[TILE_N]; \
    local Place step_places[DEPTH]; \
    const u32 across = TILE_N / PER_N; \
    const u32 down = TILE_M / PER_M; \
    i64 tiles = (shape.m + TILE_M - 1) / TILE_M; \
    i64 top = BLOCK_X % tiles * TILE_M; \
    i64 left = BLOCK_X / tiles * TILE_N; \
    i64 first = BLOCK_Z * shape.part_length; \
    i64 end = min(first + shape.part_length, shape.k); \
    a += shape.a_first + BLOCK_Y * shape.a_group; \
    b += BLOCK_Y * shape.b_group; \
    for (u32 i = THREAD; i < TILE_N; i += across * down) { \
      column_places[i] = place_before(&columns, left + i, shape.n); \
    } \
    WAIT; \
    u32 row = THREAD / across; \
    u32 column = THREAD % across; \
    float sums[PER_M][PER_N]; \
    for (int i = 0; i < PER_M; i++) { \
      i64 y = top + row + i * down; \
      float start = bias && first == 0 && y < shape.m ? bias[BLOCK_Y * shape.m + y] : 0.0f; \
      for (int j = 0; j < PER_N; j++) { \
        sums[i][j] = start; \
      } \
    } \
    for (i64 depth = first; depth < end; depth += DEPTH) { \
      if (THREAD < DEPTH) { \
        step_places[THREAD] = place_before(&steps, depth + THREAD, end); \
      } \
      WAIT; \
      for (u32 e = THREAD; e < TILE_M * DEPTH; e += across * down) { \
        u32 p = e % DEPTH; \
        i64 y = top + e / DEPTH; \
        int at = step_places[p].w; \
        bool inside = at >= 0 && y < shape.m; \
        tile_a[p][e / DEPTH] = LOAD_IF(inside, a, y * shape.a_row + at); \
      } \
      for (u32 e = THREAD; e < TILE_N * DEPTH; e += across * down) { \
        u32 p = e / TILE_N; \
        tile_b[p][e % TILE_N] = pixel(b, &shape, column_places[e % TILE_N], step_places[p]); \
      } \
      WAIT; \
      for (int p = 0; p < DEPTH; p++) { \
        for (int i = 0; i < PER_M; i++) { \
          for (int j = 0; j < PER_N; j++) { \
            sums[i][j] = \
                fma(tile_a[p][row + i * down], tile_b[p][column + j * across], sums[i][j]); \
          } \
        } \
      } \
      WAIT; \
    } \
    c += shape.c_first + BLOCK_Y * shape.c_group + BLOCK_Z * shape.c_part; \
    for (int i = 0; i < PER_M; i++) { \
      for (int j = 0; j < PER_N; j++) { \
        i64 y = top + row + i * down; \
        int at = column_places[column + j * across].w; \
        if (y < shape.m && at >= 0) { \
          c[y * shape.c_row + at] = finish(sums[i][j], shape.relu); \
        } \
      } \
    } \
  }

#define CONVOLUTIONS(OP) \
  CONVOLUTION(OP##_128x128_f32, 128, 128, 8, 8) \
  CONVOLUTION(OP##_64x128_f32, 64, 128, 8, 8) \
  CONVOLUTION(OP##_32x128_f32, 32, 128, 8, 4) \
  CONVOLUTION(OP##_32x32_f32, 32, 32, 4, 4)

CONVOLUTIONS(conv2d)
CONVOLUTIONS(conv2d_input_grad)
CONVOLUTIONS(conv2d_weight_grad)

// For processors with vectors and caches: one thread makes all rows of 32 columns. It lays the image
// out for some steps at a time, and multiplies groups of rows with it.

#define STRIP_ROWS 4096
#define STRIP_DEPTH 64
#define ROW_GROUP 12

// Sixteen columns of a strip.
typedef struct {
  int16 x, y, at, other;
  bool contiguous; // whether they are neighbours in the image
  bool dense;      // whether they are neighbours in the result
} Columns;

static inline Columns columns_from(const Places *places, i64 first, i64 end) {
  int each[4][16];
  for (int j = 0; j < 16; j++) {
    Place column = place_before(places, first + j, end);
    each[0][j] = column.x;
    each[1][j] = column.y;
    each[2][j] = column.z;
    each[3][j] = column.w;
  }
  Columns found;
  found.x = vload16(0, each[0]);
  found.y = vload16(0, each[1]);
  found.at = vload16(0, each[2]);
  found.other = vload16(0, each[3]);
  const int16 apart = (int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  found.contiguous = all(found.at == found.at.s0 + apart);
  found.dense = found.other.s0 >= 0 && all(found.other == found.other.s0 + apart);
  return found;
}

// Elements of the image under the columns in one step; `count` is the number of all.
static inline float16 pixels(
    const global float *image, i64 count, const Product *shape, const Columns *columns, Place step) {
  int16 x = columns->x + step.x;
  int16 y = columns->y + step.y;
  int16 inside = x >= 0 && x < (int)shape->width && y >= 0 && y < (int)shape->height;
  i64 first = (i64)columns->at.s0 + step.z;
  if (columns->contiguous && first >= 0 && first + 16 <= count) {
    return select((float16)(0.0f), vload16(0, image + first), inside);
  }
  int at[16];
  float values[16];
  vstore16(select((int16)(0), columns->at + step.z, inside), 0, at);
  for (int j = 0; j < 16; j++) {
    values[j] = image[at[j]];
  }
  return select((float16)(0.0f), vload16(0, values), inside);
}

static inline float16 load_results(const global float *c, const Columns *columns) {
  if (columns->dense) {
    return vload16(0, c + columns->other.s0);
  }
  int at[16];
  float values[16];
  vstore16(max(columns->other, 0), 0, at);
  for (int j = 0; j < 16; j++) {
    values[j] = c[at[j]];
  }
  return vload16(0, values);
}

static inline void store_results(global float *c, const Columns *columns, float16 results) {
  if (columns->dense) {
    vstore16(results, 0, c + columns->other.s0);
    return;
  }
  int at[16];
  float values[16];
  vstore16(columns->other, 0, at);
  vstore16(results, 0, values);
  for (int j = 0; j < 16; j++) {
    if (at[j] >= 0) {
      c[at[j]] = values[j];
    }
  }
}

#define CONVOLUTION_STRIP(NAME) \
  kernel __attribute__((reqd_work_group_size(1, 1, 1))) void NAME( \
      PASS(float, c), PASS(const float, a), PASS(const float, b), PASS(const float, bias), \
      Product shape, Places columns, Places steps) { \
    TAKE(float, c); \
    TAKE(const float, a); \
    TAKE(const float, b); \
    TAKE_OPTIONAL(const float, bias); \
    i64 tiles = (shape.m + STRIP_ROWS - 1) / STRIP_ROWS; \
    i64 top = BLOCK_X % tiles * STRIP_ROWS; \
    i64 left = BLOCK_X / tiles * 32; \
    i64 first = BLOCK_Z * shape.part_length; \
    i64 end = min(first + shape.part_length, shape.k); \
    i64 count = shape.n / columns.area * columns.image - BLOCK_Y * shape.b_group; \
    a += shape.a_first + BLOCK_Y * shape.a_group; \
    b += BLOCK_Y * shape.b_group; \
    c += shape.c_first + BLOCK_Y * shape.c_group + BLOCK_Z * shape.c_part; \
    Columns low = columns_from(&columns, left, shape.n); \
    Columns high = columns_from(&columns, left + 16, shape.n); \
    float16 panel[STRIP_DEPTH][2]; \
    int a_at[STRIP_DEPTH]; \
    i64 depth = first; \
    do { \
      int count_of_steps = (int)min((i64)STRIP_DEPTH, end - depth); \
      for (int p = 0; p < count_of_steps; p++) { \
        Place step = place(&steps, (u32)(depth + p)); \
        a_at[p] = step.w; \
        panel[p][0] = pixels(b, count, &shape, &low, step); \
        panel[p][1] = pixels(b, count, &shape, &high, step); \
      } \
      bool last = depth + STRIP_DEPTH >= end; \
      for (i64 y = top; y < min(top + STRIP_ROWS, shape.m); y += ROW_GROUP) { \
        float16 sums[ROW_GROUP][2]; \
        i64 line_starts[ROW_GROUP]; \
        _Pragma("unroll") for (int i = 0; i < ROW_GROUP; i++) { \
          i64 row = min(y + i, shape.m - 1); \
          line_starts[i] = row * shape.a_row; \
          if (depth == first) { \
            float16 start = \
                (float16)(bias && first == 0 ? bias[BLOCK_Y * shape.m + row] : 0.0f); \
            sums[i][0] = start; \
            sums[i][1] = start; \
          } else { \
            sums[i][0] = load_results(c + row * shape.c_row, &low); \
            sums[i][1] = load_results(c + row * shape.c_row, &high); \
          } \
        } \
        for (int p = 0; p < count_of_steps; p++) { \
          _Pragma("unroll") for (int i = 0; i < ROW_GROUP; i++) { \
            float16 x = (float16)(a[line_starts[i] + a_at[p]]); \
            sums[i][0] = fma(x, panel[p][0], sums[i][0]); \
            sums[i][1] = fma(x, panel[p][1], sums[i][1]); \
          } \
        } \
        _Pragma("unroll") for (int i = 0; i < ROW_GROUP; i++) { \
          if (y + i < shape.m) { \
            if (last && shape.relu) { \
              sums[i][0] = sums[i][0] <= 0.0f ? (float16)(0.0f) : sums[i][0]; \
              sums[i][1] = sums[i][1] <= 0.0f ? (float16)(0.0f) : sums[i][1]; \
            } \
            store_results(c + (y + i) * shape.c_row, &low, sums[i][0]); \
            store_results(c + (y + i) * shape.c_row, &high, sums[i][1]); \
          } \
        } \
      } \
      depth += STRIP_DEPTH; \
    } while (depth < end); \
  }

CONVOLUTION_STRIP(conv2d_4096x32_f32)
CONVOLUTION_STRIP(conv2d_input_grad_4096x32_f32)
CONVOLUTION_STRIP(conv2d_weight_grad_4096x32_f32)

// Few rows in each group, as in depthwise convolutions: a thread makes HIGH elements below each other
// of ROWS rows. It loads a pixel once for the TAPS that lie below each other in the filter, which are
// 1, or all that there are, and are taken as their pixels lie.
#define HIGH 8

#define DIRECT(ROWS, TAPS) \
  kernel void conv2d_direct_##ROWS##x##TAPS##_f32( \
      PASS(float, c), PASS(const float, a), PASS(const float, b), PASS(const float, bias), \
      Product shape, Places columns, Places steps) { \
    TAKE(float, c); \
    TAKE(const float, a); \
    TAKE(const float, b); \
    TAKE_OPTIONAL(const float, bias); \
    i64 rows = columns.area / columns.width; \
    i64 strips = (rows + HIGH - 1) / HIGH; \
    i64 column = THREAD_INDEX % columns.width; \
    i64 above = THREAD_INDEX / columns.width; \
    i64 image = above / strips; \
    i64 first = above % strips * HIGH; \
    if (image * columns.area >= shape.n) { \
      return; \
    } \
    i64 row_groups = (shape.m + ROWS - 1) / ROWS; \
    i64 group = BLOCK_Y / row_groups; \
    i64 row = BLOCK_Y % row_groups * ROWS; \
    a += shape.a_first + group * shape.a_group; \
    b += group * shape.b_group + image * columns.image; \
    float sums[ROWS][HIGH]; \
    for (int r = 0; r < ROWS; r++) { \
      float start = bias ? bias[group * shape.m + min(row + r, shape.m - 1)] : 0.0f; \
      for (int q = 0; q < HIGH; q++) { \
        sums[r][q] = start; \
      } \
    } \
    int left = (int)(columns.left + column * columns.right + steps.left); \
    bool reversed = TAPS > 1 && steps.down < 0; \
    int next_tap = (int)(reversed ? -steps.other_row : steps.other_row); \
    for (int outer = 0; outer < (int)(shape.k / steps.area); outer++) { \
      for (int j = 0; j < (int)(steps.area / steps.width); j += TAPS) { \
        int tap = reversed ? TAPS - 1 : j; \
        int top = (int)(columns.top + first * columns.down + steps.top + tap * steps.down); \
        for (int i = 0; i < (int)steps.width; i++) { \
          int x = left + i * (int)steps.right; \
          float factor[TAPS][ROWS]; \
          for (int t = 0; t < TAPS; t++) { \
            for (int r = 0; r < ROWS; r++) { \
              factor[t][r] = \
                  a[min(row + r, shape.m - 1) * shape.a_row + outer * steps.other \
                    + tap * steps.other_row + t * next_tap + i * steps.other_column]; \
            } \
          } \
          _Pragma("unroll") for (int p = 0; p < HIGH + TAPS - 1; p++) { \
            int y = top + p * (int)columns.down; \
            bool inside = y >= 0 && y < shape.height && x >= 0 && x < shape.width; \
            float pixel = LOAD_IF(inside, b, outer * steps.image + y * columns.row + x); \
            for (int t = 0; t < TAPS; t++) { \
              if (p >= t && p - t < HIGH) { \
                for (int r = 0; r < ROWS; r++) { \
                  sums[r][p - t] = fma(factor[t][r], pixel, sums[r][p - t]); \
                } \
              } \
            } \
          } \
        } \
      } \
    } \
    c += shape.c_first + group * shape.c_group + image * columns.other \
        + first * columns.other_row + column * columns.other_column; \
    for (int r = 0; r < ROWS; r++) { \
      for (int q = 0; q < HIGH; q++) { \
        if (row + r < shape.m && first + q < rows) { \
          c[(row + r) * shape.c_row + q * columns.other_row] = finish(sums[r][q], shape.relu); \
        } \
      } \
    } \
  }

DIRECT(1, 1)
DIRECT(1, 3)
DIRECT(1, 4)
DIRECT(1, 5)
DIRECT(1, 7)
DIRECT(3, 1)
DIRECT(3, 3)
DIRECT(3, 4)

// Few elements in each group with long sums: a block makes a part of DOTS of a row, threads take
// steps in turn, and a tree folds the threads.
#define DOTS 9

kernel __attribute__((reqd_work_group_size(256, 1, 1))) void conv2d_dot_f32(
    PASS(float, c), PASS(const float, a), PASS(const float, b), Product shape, Places columns,
    Places steps) {
  TAKE(float, c);
  TAKE(const float, a);
  TAKE(const float, b);
  local float sums[DOTS][256];
  i64 group = BLOCK_Y / shape.m;
  i64 row = BLOCK_Y % shape.m;
  a += shape.a_first + group * shape.a_group + row * shape.a_row;
  b += group * shape.b_group;
  Place places[DOTS];
  float mine[DOTS];
  for (int i = 0; i < DOTS; i++) {
    places[i] = place_before(&columns, BLOCK_X * DOTS + i, shape.n);
    mine[i] = 0;
  }
  i64 first = BLOCK_Z * shape.part_length;
  i64 end = min(first + shape.part_length, shape.k);
  for (i64 k = first + THREAD; k < end; k += 256) {
    Place step = place(&steps, (u32)k);
    float factor = a[step.w];
    for (int i = 0; i < DOTS; i++) {
      mine[i] = fma(factor, pixel(b, &shape, places[i], step), mine[i]);
    }
  }
  for (int i = 0; i < DOTS; i++) {
    sums[i][THREAD] = mine[i];
  }
  WAIT;
  for (u32 reach = 128; reach > 0; reach /= 2) {
    if (THREAD < reach) {
      for (int i = 0; i < DOTS; i++) {
        sums[i][THREAD] += sums[i][THREAD + reach];
      }
    }
    WAIT;
  }
  if (THREAD == 0) {
    for (int i = 0; i < DOTS; i++) {
      if (places[i].w >= 0) {
        c[BLOCK_Z * shape.c_part + group * shape.c_group + row * shape.c_row + places[i].w] =
            sums[i][0];
      }
    }
  }
}

// Sums the parts of each element, in order.
kernel void conv2d_parts_f32(
    PASS(float, to), PASS(const float, from), i64 count, i64 parts, i64 relu) {
  TAKE(float, to);
  TAKE(const float, from);
  i64 i = THREAD_INDEX;
  if (i < count) {
    float sum = from[i];
    for (i64 part = 1; part < parts; part++) {
      sum += from[part * count + i];
    }
    to[i] = finish(sum, relu);
  }
}

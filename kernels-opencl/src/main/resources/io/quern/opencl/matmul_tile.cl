// Products of matrices in tiles of ROWS x COLUMNS, in one of two ways, by the constants that are
// defined before. Each element is a sum over k in ascending order of fused multiply-adds.

typedef struct {
  i64 m, n, k;
  i64 a_row, a_column; // elements between neighbours
  i64 b_row, b_column;
} Matrices;

#define PRODUCT_PARAMETERS \
  PASS(float, c), PASS(const float, a), PASS(const float, b), Matrices shape, Walk batch

// Moves to the first elements of a tile.
#define FIND_TILE \
  TAKE(float, c); \
  TAKE(const float, a); \
  TAKE(const float, b); \
  i64 top = BLOCK_X * ROWS; \
  i64 left = BLOCK_Y * COLUMNS; \
  i64 at[2]; \
  locate_all(&batch, (u32)BLOCK_Z, 2, at); \
  a += at[0] + top * shape.a_row; \
  b += at[1] + left * shape.b_column; \
  c += (BLOCK_Z * shape.m + top) * shape.n + left; \
  int rows = (int)min((i64)ROWS, shape.m - top); \
  int columns = (int)min((i64)COLUMNS, shape.n - left)

#ifdef VECTORS

// For processors with vectors and caches: one thread makes a tile, with its rows in VECTORS vectors
// of 16.

#define COLUMNS (16 * VECTORS)
#define DEPTH 64

// Adds the products of some steps, rows of the second matrix at `from`; rows of the first beyond the
// last repeat it.
#define ADD_PRODUCTS(first, steps, from, step) \
  for (i64 p = 0; p < (steps); p++) { \
    float16 line[VECTORS]; \
    _Pragma("unroll") for (int v = 0; v < VECTORS; v++) { \
      line[v] = vload16(v, (from) + p * (step)); \
    } \
    _Pragma("unroll") for (int i = 0; i < ROWS; i++) { \
      float16 x = (float16)(a[line_starts[i] + ((first) + p) * shape.a_column]); \
      _Pragma("unroll") for (int v = 0; v < VECTORS; v++) { \
        sums[i][v] = fma(x, line[v], sums[i][v]); \
      } \
    } \
  }

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void matmul_tile_f32(PRODUCT_PARAMETERS) {
  FIND_TILE;
  float16 sums[ROWS][VECTORS];
#pragma unroll
  for (int i = 0; i < ROWS; i++) {
#pragma unroll
    for (int v = 0; v < VECTORS; v++) {
      sums[i][v] = (float16)(0.0f);
    }
  }
  i64 line_starts[ROWS];
#pragma unroll
  for (int i = 0; i < ROWS; i++) {
    line_starts[i] = min(i, rows - 1) * shape.a_row;
  }
  if (columns == COLUMNS && shape.b_column == 1) {
    ADD_PRODUCTS(0, shape.k, b, shape.b_row)
  } else {
    float panel[DEPTH * COLUMNS];
    for (i64 first = 0; first < shape.k; first += DEPTH) {
      int steps = (int)min((i64)DEPTH, shape.k - first);
      for (int j = 0; j < COLUMNS; j++) {
        const global float *from = b + first * shape.b_row + min(j, columns - 1) * shape.b_column;
        for (int p = 0; p < steps; p++) {
          panel[p * COLUMNS + j] = from[p * shape.b_row];
        }
      }
      ADD_PRODUCTS(first, steps, panel, COLUMNS)
    }
  }
#pragma unroll
  for (int i = 0; i < ROWS; i++) {
    if (i < rows) {
      float line[COLUMNS];
#pragma unroll
      for (int v = 0; v < VECTORS; v++) {
        vstore16(sums[i][v], v, line);
      }
      for (int j = 0; j < columns; j++) {
        c[i * shape.n + j] = line[j];
      }
    }
  }
}

#else

// For GPUs: blocks of DOWN x ACROSS threads, of which each has elements that lie as far apart.

#define PER_ROW (ROWS / DOWN)
#define PER_COLUMN (COLUMNS / ACROSS)

kernel __attribute__((reqd_work_group_size(DOWN * ACROSS, 1, 1))) void matmul_tile_f32(
    PRODUCT_PARAMETERS) {
  FIND_TILE;
  local float tile_a[DEPTH][ROWS + 1];
  local float tile_b[DEPTH][COLUMNS + 1];
  u32 row = THREAD / ACROSS;
  u32 column = THREAD % ACROSS;
  bool a_along = shape.a_column == 1;
  bool b_along = shape.b_row == 1 && shape.b_column != 1;
  float sums[PER_ROW][PER_COLUMN];
#pragma unroll
  for (int i = 0; i < PER_ROW; i++) {
#pragma unroll
    for (int j = 0; j < PER_COLUMN; j++) {
      sums[i][j] = 0;
    }
  }
  for (i64 first = 0; first < shape.k; first += DEPTH) {
    int steps = (int)min((i64)DEPTH, shape.k - first);
    for (int e = (int)THREAD; e < ROWS * DEPTH; e += DOWN * ACROSS) {
      int i = a_along ? e / DEPTH : e % ROWS;
      int p = a_along ? e % DEPTH : e / ROWS;
      bool inside = i < rows && p < steps;
      tile_a[p][i] = LOAD_IF(inside, a, i * shape.a_row + (first + p) * shape.a_column);
    }
    for (int e = (int)THREAD; e < COLUMNS * DEPTH; e += DOWN * ACROSS) {
      int j = b_along ? e / DEPTH : e % COLUMNS;
      int p = b_along ? e % DEPTH : e / COLUMNS;
      bool inside = j < columns && p < steps;
      tile_b[p][j] = LOAD_IF(inside, b, j * shape.b_column + (first + p) * shape.b_row);
    }
    WAIT;
    // Beyond the end of the sum both factors are 0.
#pragma unroll
    for (int p = 0; p < DEPTH; p++) {
#pragma unroll
      for (int i = 0; i < PER_ROW; i++) {
#pragma unroll
        for (int j = 0; j < PER_COLUMN; j++) {
          sums[i][j] = fma(tile_a[p][row + i * DOWN], tile_b[p][column + j * ACROSS], sums[i][j]);
        }
      }
    }
    WAIT;
  }
#pragma unroll
  for (int i = 0; i < PER_ROW; i++) {
#pragma unroll
    for (int j = 0; j < PER_COLUMN; j++) {
      int y = (int)row + i * DOWN;
      int x = (int)column + j * ACROSS;
      if (y < rows && x < columns) {
        c[y * shape.n + x] = sums[i][j];
      }
    }
  }
}

#endif

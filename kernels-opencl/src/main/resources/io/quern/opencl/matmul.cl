// Products of matrices. Each element is a sum over k in ascending order of fused multiply-adds,
// whatever the tile and the layout.

typedef struct {
  i64 m, n, k;
  i64 a_row, a_column; // elements between neighbours
  i64 b_row, b_column;
  i64 parts, part_k; // the sum in parts, whose results lie behind each other
} Matrices;

#define F32_LOAD(x) (x)
#define F32_STORE(x) (x)
#define BF16_LOAD(x) from_bf16(x)
#define BF16_STORE(x) to_bf16(x)
#define F16_LOAD(x) from_f16(x)
#define F16_STORE(x) to_f16(x)

#define DEPTH 16

// A block of 16 x 16 threads makes a tile of 16 R x 16 R elements, of which a thread has R x R that
// lie 16 apart.
#define PRODUCT(TILE, R, NAME, E, LOAD, STORE) \
  kernel __attribute__((reqd_work_group_size(256, 1, 1))) void matmul_##TILE##_##NAME( \
      PASS(E, c), PASS(const E, a), PASS(const E, b), Matrices shape, Walk batch) { \
    TAKE(E, c); \
    TAKE(const E, a); \
    TAKE(const E, b); \
    local float tile_a[DEPTH][TILE + 1]; \
    local float tile_b[DEPTH][TILE + 1]; \
    i64 depth = BLOCK_Z % shape.parts * shape.part_k; \
    i64 at[2]; \
    locate_all(&batch, (u32)(BLOCK_Z / shape.parts), 2, at); \
    a += at[0] + depth * shape.a_column; \
    b += at[1] + depth * shape.b_row; \
    c += BLOCK_Z * shape.m * shape.n; \
    i64 k = min(shape.k - depth, shape.part_k); \
    i64 top = BLOCK_Y * TILE; \
    i64 left = BLOCK_X * TILE; \
    u32 row = THREAD / 16; \
    u32 column = THREAD % 16; \
    bool a_along = shape.a_column == 1; \
    bool b_along = shape.b_row == 1 && shape.b_column != 1; \
    float sums[R][R]; \
    for (int i = 0; i < R; i++) { \
      for (int j = 0; j < R; j++) { \
        sums[i][j] = 0; \
      } \
    } \
    for (i64 first = 0; first < k; first += DEPTH) { \
      for (u32 e = THREAD; e < TILE * DEPTH; e += 256) { \
        u32 i = a_along ? e / DEPTH : e % TILE; \
        u32 p = a_along ? e % DEPTH : e / TILE; \
        bool inside = top + i < shape.m && first + p < k; \
        i64 from = (top + i) * shape.a_row + (first + p) * shape.a_column; \
        tile_a[p][i] = select(0.0f, LOAD(a[inside ? from : 0]), (int)inside); \
        u32 j = b_along ? e / DEPTH : e % TILE; \
        u32 q = b_along ? e % DEPTH : e / TILE; \
        inside = left + j < shape.n && first + q < k; \
        from = (first + q) * shape.b_row + (left + j) * shape.b_column; \
        tile_b[q][j] = select(0.0f, LOAD(b[inside ? from : 0]), (int)inside); \
      } \
      WAIT; \
      int steps = (int)min((i64)DEPTH, k - first); \
      for (int p = 0; p < steps; p++) { \
        for (int i = 0; i < R; i++) { \
          for (int j = 0; j < R; j++) { \
            sums[i][j] = fma(tile_a[p][row + 16 * i], tile_b[p][column + 16 * j], sums[i][j]); \
          } \
        } \
      } \
      WAIT; \
    } \
    for (int i = 0; i < R; i++) { \
      for (int j = 0; j < R; j++) { \
        i64 y = top + row + 16 * i; \
        i64 x = left + column + 16 * j; \
        if (y < shape.m && x < shape.n) { \
          c[y * shape.n + x] = STORE(sums[i][j]); \
        } \
      } \
    } \
  }

PRODUCT(32, 2, f32, float, F32_LOAD, F32_STORE)
PRODUCT(64, 4, f32, float, F32_LOAD, F32_STORE)
PRODUCT(128, 8, f32, float, F32_LOAD, F32_STORE)
PRODUCT(32, 2, bf16, ushort, BF16_LOAD, BF16_STORE)
PRODUCT(32, 2, f16, ushort, F16_LOAD, F16_STORE)

// The sums of the parts, one after another.
kernel void matmul_parts_f32(
    PASS(float, c), PASS(const float, partial), i64 matrix, i64 parts, i64 count) {
  TAKE(float, c);
  TAKE(const float, partial);
  i64 index = THREAD_INDEX;
  if (index < count) {
    const global float *from = partial + index / matrix * matrix * parts + index % matrix;
    float sum = from[0];
    for (i64 part = 1; part < parts; part++) {
      sum += from[part * matrix];
    }
    c[index] = sum;
  }
}

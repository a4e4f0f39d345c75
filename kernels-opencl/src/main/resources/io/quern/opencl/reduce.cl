// Folds of some dimensions. Every order of summation follows from shapes and layouts alone.

#define SUM(x, y) ((x) + (y))
#define PROD(x, y) ((x) * (y))

// A team of threads folds one part of what belongs to one result: threads take four elements in
// turn, and a tree folds the threads. Parts of a result lie side by side.
//
// walks: kept dimensions of the input, folded dimensions of the input
#define REDUCE_ROWS(NAME, IDENTITY, COMBINE) \
  kernel void reduce_rows_##NAME##_f32( \
      PASS(float, to), PASS(const float, from), i64 team, i64 parts, i64 part_length, i64 runs, \
      Walk kept, Walk folded) { \
    TAKE(float, to); \
    TAKE(const float, from); \
    local float sums[256]; \
    u32 thread = THREAD % (u32)team; \
    i64 part = BLOCK_X * (THREADS / team) + THREAD / (u32)team; \
    bool inside = part < kept.count * parts; \
    i64 first = part % parts * part_length; \
    i64 end = inside ? min(first + part_length, folded.count) : 0; \
    const global float *row = from + (inside ? locate(&kept, (u32)(part / parts)) : 0); \
    bool dense = folded.rank == 1; \
    i64 stride = folded.strides[0][0]; \
    float total = IDENTITY; \
    for (i64 i = first + 4 * thread; i < end; i += 4 * team) { \
      for (i64 e = i; e < min(i + 4, end); e++) { \
        total = COMBINE(total, row[dense ? e * stride : locate(&folded, (u32)e)]); \
      } \
    } \
    sums[THREAD] = total; \
    WAIT; \
    for (u32 reach = (u32)team / 2; reach > 0; reach /= 2) { \
      if (thread < reach) { \
        sums[THREAD] = COMBINE(sums[THREAD], sums[THREAD + reach]); \
      } \
      WAIT; \
    } \
    if (thread == 0 && inside) { \
      to[part] = sums[THREAD]; \
    } \
  }

// Neighbouring results have neighbouring elements: 32 results side by side, 8 threads for each.
// Parts of the fold lie behind each other: [parts, results].
#define REDUCE_COLUMNS(NAME, IDENTITY, COMBINE) \
  kernel void reduce_columns_##NAME##_f32( \
      PASS(float, to), PASS(const float, from), i64 part_length, Walk kept, Walk folded) { \
    TAKE(float, to); \
    TAKE(const float, from); \
    local float sums[256]; \
    u32 row = THREAD / 32; \
    i64 result = BLOCK_X * 32 + THREAD % 32; \
    i64 end = min((BLOCK_Y + 1) * part_length, folded.count); \
    bool dense = folded.rank == 1; \
    i64 stride = folded.strides[0][0]; \
    float total = IDENTITY; \
    if (result < kept.count) { \
      const global float *column = from + locate(&kept, (u32)result); \
      for (i64 i = BLOCK_Y * part_length + row; i < end; i += 8) { \
        total = COMBINE(total, column[dense ? i * stride : locate(&folded, (u32)i)]); \
      } \
    } \
    sums[THREAD] = total; \
    WAIT; \
    for (u32 reach = 4; reach > 0; reach /= 2) { \
      if (row < reach) { \
        sums[THREAD] = COMBINE(sums[THREAD], sums[THREAD + 32 * reach]); \
      } \
      WAIT; \
    } \
    if (row == 0 && result < kept.count) { \
      to[BLOCK_Y * kept.count + result] = sums[THREAD]; \
    } \
  }

// Each by itself: drivers define min and max.
REDUCE_ROWS(sum, 0.0f, SUM)
REDUCE_ROWS(prod, 1.0f, PROD)
REDUCE_ROWS(max, -INFINITY, larger)
REDUCE_ROWS(min, INFINITY, smaller)
REDUCE_COLUMNS(sum, 0.0f, SUM)
REDUCE_COLUMNS(prod, 1.0f, PROD)
REDUCE_COLUMNS(max, -INFINITY, larger)
REDUCE_COLUMNS(min, INFINITY, smaller)

// Positions of extremes: the largest of keys that hold an element's rank and, for the first of
// equals, its position upside down. Partial results are keys, see the folds for where they lie.

static inline u64 key_of(float x, i64 least, i64 position) {
  u32 bits = as_uint(x + 0.0f); // -0 is 0
  u32 rank = bits >> 31 ? ~bits : bits | 0x80000000u;
  rank = isnan(x) ? 0xffffffffu : least ? ~rank : rank;
  return (u64)rank << 32 | (u32)~position;
}

static inline i64 position_of(u64 key) {
  return (u32)~key;
}

// Leaves the largest key of the threads of a team to its first ones, as many as width.
#define LARGEST_KEY(keys, team, width) \
  WAIT; \
  for (u32 reach = (team) / 2; reach >= (width); reach /= 2) { \
    if (THREAD % (team) < reach) { \
      keys[THREAD] = max(keys[THREAD], keys[THREAD + reach]); \
    } \
    WAIT; \
  }

kernel void arg_rows_f32(
    PASS(i64, to), PASS(const float, from), i64 least, i64 team, i64 parts, i64 part_length,
    i64 runs, Walk kept, Walk folded) {
  TAKE(i64, to);
  TAKE(const float, from);
  local u64 keys[256];
  u32 thread = THREAD % (u32)team;
  i64 part = BLOCK_X * (THREADS / team) + THREAD / (u32)team;
  bool inside = part < kept.count * parts;
  i64 first = part % parts * part_length;
  i64 end = inside ? min(first + part_length, folded.count) : 0;
  const global float *row = from + (inside ? locate(&kept, (u32)(part / parts)) : 0);
  i64 stride = folded.strides[0][0];
  u64 best = 0;
  for (i64 i = first + thread; i < end; i += team) {
    best = max(best, key_of(row[i * stride], least, i));
  }
  keys[THREAD] = best;
  LARGEST_KEY(keys, (u32)team, 1)
  if (thread == 0 && inside) {
    to[part] = parts == 1 ? position_of(keys[THREAD]) : (i64)keys[THREAD];
  }
}

kernel void arg_columns_f32(
    PASS(i64, to), PASS(const float, from), i64 least, i64 part_length, Walk kept, Walk folded) {
  TAKE(i64, to);
  TAKE(const float, from);
  local u64 keys[256];
  i64 result = BLOCK_X * 32 + THREAD % 32;
  i64 end = min((BLOCK_Y + 1) * part_length, folded.count);
  i64 stride = folded.strides[0][0];
  u64 best = 0;
  if (result < kept.count) {
    const global float *column = from + locate(&kept, (u32)result);
    for (i64 i = BLOCK_Y * part_length + THREAD / 32; i < end; i += 8) {
      best = max(best, key_of(column[i * stride], least, i));
    }
  }
  keys[THREAD] = best;
  LARGEST_KEY(keys, THREADS, 32)
  if (THREAD < 32 && result < kept.count) {
    u64 key = keys[THREAD];
    to[BLOCK_Y * kept.count + result] = get_num_groups(1) == 1 ? position_of(key) : (i64)key;
  }
}

// The position among the parts of a result.
kernel void arg_parts(
    PASS(i64, to), PASS(const u64, from), i64 parts, i64 between_results, i64 between_parts) {
  TAKE(i64, to);
  TAKE(const u64, from);
  local u64 keys[256];
  u64 best = 0;
  for (i64 part = THREAD; part < parts; part += THREADS) {
    best = max(best, from[BLOCK_X * between_results + part * between_parts]);
  }
  keys[THREAD] = best;
  LARGEST_KEY(keys, THREADS, 1)
  if (THREAD == 0) {
    to[BLOCK_X] = position_of(keys[0]);
  }
}

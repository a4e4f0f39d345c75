// Running sums and orders, lane by lane along an axis of [outer, length, inner].

typedef struct {
  i64 count;
  i64 length;
  i64 inner;
} Lanes;

// Index of a lane's first element, where lanes have that many elements.
static inline i64 lane_start(const Lanes *lanes, i64 lane, i64 length) {
  i64 outer = lane / lanes->inner;
  return outer * length * lanes->inner + (lane - outer * lanes->inner);
}

#define SCAN_THREADS 256
#define SCAN_ITEMS 8
#define SCAN_TILE (SCAN_THREADS * SCAN_ITEMS)

// Leaves in `sums` the sum of the values up to each thread.
static inline void sums_up_to(local float *sums, float value) {
  u32 self = THREAD;
  sums[self] = value;
  WAIT;
  for (u32 distance = 1; distance < SCAN_THREADS; distance *= 2) {
    float sum = self >= distance ? sums[self - distance] + sums[self] : sums[self];
    WAIT;
    sums[self] = sum;
    WAIT;
  }
}

// Where a block starts in a part of a lane, and how far apart elements are.
#define PART_OF_LANE \
  i64 part = BLOCK_X % parts; \
  i64 first = part * part_length; \
  i64 end = min(first + part_length, lanes.length); \
  i64 start = lane_start(&lanes, BLOCK_X / parts, lanes.length); \
  i64 step = lanes.inner; \
  if (reverse) { \
    start += (lanes.length - 1) * step; \
    step = -step; \
  }

// A block goes along one part of one lane. Parts start with what `starts` has for them, if anything.
kernel void cum_sum_f32(
    PASS(float, to), PASS(const float, from), PASS(const float, starts), Lanes lanes, i64 parts,
    i64 part_length, i64 exclusive, i64 reverse) {
  TAKE(float, to);
  TAKE(const float, from);
  TAKE_OPTIONAL(const float, starts);
  local float sums[SCAN_THREADS];
  PART_OF_LANE
  float sum = starts ? starts[BLOCK_X] : 0.0f;
  for (; first < end; first += SCAN_TILE) {
    i64 own = first + THREAD * SCAN_ITEMS;
    float items[SCAN_ITEMS];
    float total = 0;
    for (int i = 0; i < SCAN_ITEMS; i++) {
      items[i] = own + i < end ? from[start + (own + i) * step] : 0.0f;
      total += items[i];
    }
    sums_up_to(sums, total);
    float running = sum + (THREAD == 0 ? 0.0f : sums[THREAD - 1]);
    for (int i = 0; i < SCAN_ITEMS && own + i < end; i++) {
      float next = running + items[i];
      to[start + (own + i) * step] = exclusive ? running : next;
      running = next;
    }
    sum += sums[SCAN_THREADS - 1];
    WAIT;
  }
}

// The sums of the parts of lanes, [lanes, parts].
kernel void part_sums_f32(
    PASS(float, to), PASS(const float, from), Lanes lanes, i64 parts, i64 part_length,
    i64 reverse) {
  TAKE(float, to);
  TAKE(const float, from);
  local float sums[SCAN_THREADS];
  PART_OF_LANE
  float sum = 0;
  for (i64 i = first + THREAD; i < end; i += SCAN_THREADS) {
    sum += from[start + i * step];
  }
  sums_up_to(sums, sum);
  if (THREAD == 0) {
    to[BLOCK_X] = sums[SCAN_THREADS - 1];
  }
}

// A thread goes along a lane; neighbouring lanes lie side by side.
kernel void cum_sum_lanes_f32(
    PASS(float, to), PASS(const float, from), Lanes lanes, i64 exclusive, i64 reverse) {
  TAKE(float, to);
  TAKE(const float, from);
  u32 lane = THREAD_INDEX;
  if (lane >= lanes.count) {
    return;
  }
  i64 at = lane_start(&lanes, lane, lanes.length);
  i64 step = lanes.inner;
  if (reverse) {
    at += (lanes.length - 1) * step;
    step = -step;
  }
  float sum = 0;
  for (i64 i = 0; i < lanes.length; i++, at += step) {
    float next = sum + from[at];
    to[at] = exclusive ? sum : next;
    sum = next;
  }
}

// Place of the first of a pair: `distance` is a power of two.
static inline u32 first_of_pair(u32 pair, u32 distance) {
  return 2 * pair - (pair & (distance - 1));
}

// Whether two numbers of a row are not in the order that a bitonic network wants: runs of `run` go up
// and down in turn.
static inline bool are_swapped(u64 low, u64 high, u32 place, u32 run) {
  return (low > high) == ((place & run) == 0);
}

// Sorts pairs at the distances that are in reach of a tile, for runs of `first_run` to `last_run`.
#define SORT_TILES(TILE) \
  kernel void sort_tiles_##TILE( \
      PASS(u64, entries), i64 start, i64 count, i64 n, i64 first_run, i64 last_run) { \
    TAKE(u64, entries); \
    local u64 tile[TILE]; \
    global u64 *from = entries + start + BLOCK_X * count; \
    u32 place = (u32)((BLOCK_X * count) & (n - 1)); \
    for (u32 i = THREAD; i < count; i += THREADS) { \
      tile[i] = from[i]; \
    } \
    WAIT; \
    for (u32 run = (u32)first_run; run <= (u32)last_run; run *= 2) { \
      for (u32 distance = (u32)min((i64)run, count) / 2; distance > 0; distance /= 2) { \
        for (u32 pair = THREAD; pair < count / 2; pair += THREADS) { \
          u32 i = first_of_pair(pair, distance); \
          u64 low = tile[i]; \
          u64 high = tile[i + distance]; \
          if (are_swapped(low, high, place + i, run)) { \
            tile[i] = high; \
            tile[i + distance] = low; \
          } \
        } \
        WAIT; \
      } \
    } \
    for (u32 i = THREAD; i < count; i += THREADS) { \
      from[i] = tile[i]; \
    } \
  }

SORT_TILES(512)
SORT_TILES(4096)

// Pairs that are further apart.
kernel void sort_step(PASS(u64, entries), i64 start, i64 pairs, i64 n, i64 run, i64 distance) {
  TAKE(u64, entries);
  u32 pair = THREAD_INDEX;
  if (pair < pairs) {
    entries += start;
    u32 i = first_of_pair(pair, (u32)distance);
    u64 low = entries[i];
    u64 high = entries[i + distance];
    if (are_swapped(low, high, i & (u32)(n - 1), (u32)run)) {
      entries[i] = high;
      entries[i + distance] = low;
    }
  }
}

// Entries that compare as the floats of a lane do, with the position below: NaN is larger than all,
// zeros are equal.
kernel void order_entries_f32(
    PASS(u64, entries), i64 n, PASS(const float, from), Lanes lanes, i64 descending) {
  TAKE(u64, entries);
  TAKE(const float, from);
  u32 i = THREAD_INDEX;
  u32 lane = i / (u32)n;
  u32 position = i & (u32)(n - 1);
  if (lane >= lanes.count) {
    return;
  }
  u64 entry = ~0UL;
  if (position < lanes.length) {
    float x = from[lane_start(&lanes, lane, lanes.length) + position * lanes.inner] + 0.0f;
    int bits = as_int(x);
    u32 key = isnan(x) ? ~0u : (u32)(bits ^ (bits >> 31 | (int)0x80000000));
    entry = (u64)(descending ? ~key : key) << 32 | position;
  }
  entries[i] = entry;
}

// The first entries of each lane, without their keys, behind the sorted ones: `kept` for each lane
// of which `count` are wanted.
kernel void order_positions(PASS(u64, entries), i64 n, i64 kept, i64 lanes, i64 count) {
  TAKE(u64, entries);
  u32 i = THREAD_INDEX;
  u32 lane = i / (u32)kept;
  u32 place = i - lane * (u32)kept;
  if (lane < lanes) {
    entries[lanes * n + i] = place < count ? (u32)entries[lane * n + place] : ~0UL;
  }
}

// The values and positions of the first `count` entries of each lane.
kernel void order_values_f32(
    PASS(float, values), PASS(i64, positions), PASS(const float, from), PASS(const u64, entries),
    i64 start, i64 n, Lanes lanes, i64 count) {
  TAKE(float, values);
  TAKE(i64, positions);
  TAKE(const float, from);
  TAKE(const u64, entries);
  u32 i = THREAD_INDEX;
  u32 inner = (u32)lanes.inner;
  if (i >= lanes.count * count) {
    return;
  }
  u32 row = i / inner;
  u32 outer = row / (u32)count;
  u32 lane = outer * inner + (i - row * inner);
  u32 position = (u32)entries[start + lane * n + (row - outer * (u32)count)];
  values[i] = from[lane_start(&lanes, lane, lanes.length) + position * lanes.inner];
  positions[i] = position;
}

// Picking by index, joining and padding. Tensors are seen as [outer, axis, inner]. An index that is
// out of range touches no memory.

static inline i64 load_index(const global char *indices, i64 is_long, i64 at) {
  return is_long ? ((const global i64 *)indices)[at] : ((const global int *)indices)[at];
}

// Whether an index is in range; tells of it in `faults` otherwise, see Fault.java.
static inline bool in_range(i64 index, i64 size, global i64 *faults, i64 op) {
  if (index >= 0 && index < size) {
    return true;
  }
  if (faults[0] == 0 || faults[0] == op) {
    faults[0] = op;
    faults[1] = index;
    faults[2] = size;
  }
  return false;
}

typedef struct {
  i64 rows; // slices of the result
  i64 count; // indices
  i64 size; // slices of the data to choose from
  i64 bytes; // of a slice
} Slices;

#define EACH(total) for (u32 i = THREAD_INDEX; i < (total); i += get_global_size(0))

// Whether addresses and lengths, joined by |, are multiples of so many bytes.
#define ARE_MULTIPLES(ends, bytes) ((ends) % (bytes) == 0)

#define PICK(T) { \
    u32 units = (u32)(slices.bytes / sizeof(T)); \
    EACH((u32)slices.rows * units) { \
      u32 row = i / units; \
      u32 outer = row / (u32)slices.count; \
      i64 index = load_index(indices, is_long, row - outer * (u32)slices.count); \
      if (in_range(index, slices.size, faults, op)) { \
        ((global T *)to)[i] = \
            ((const global T *)from)[(outer * slices.size + index) * units + (i - row * units)]; \
      } \
    } \
  }

kernel void gather(
    PASS(char, to), PASS(const char, from), PASS(const char, indices), i64 is_long, Slices slices,
    PASS(i64, faults), i64 op) {
  TAKE(char, to);
  TAKE(const char, from);
  TAKE(const char, indices);
  TAKE(i64, faults);
  u64 ends = (u64)to | (u64)from | (u64)slices.bytes;
  if (ARE_MULTIPLES(ends, 16)) {
    PICK(uint4)
  } else if (ARE_MULTIPLES(ends, 4)) {
    PICK(u32)
  } else {
    PICK(uchar)
  }
}

// For the sorted order of indices: each with its position. The rest, up to a power of two, is last.
kernel void index_entries(
    PASS(u64, entries), i64 n, PASS(const char, indices), i64 is_long, i64 count, i64 size,
    PASS(i64, faults), i64 op) {
  TAKE(u64, entries);
  TAKE(const char, indices);
  TAKE(i64, faults);
  u32 i = THREAD_INDEX;
  if (i < n) {
    u64 entry = ~0UL;
    if (i < count) {
      i64 index = load_index(indices, is_long, i);
      entry = in_range(index, size, faults, op) ? (u64)index << 32 | i : entry;
    }
    entries[i] = entry;
  }
}

// Behind n sorted entries: for each index, and for the one after the last, its first entry.
kernel void index_starts(PASS(u64, entries), i64 n, i64 size) {
  TAKE(u64, entries);
  u32 index = THREAD_INDEX;
  if (index > size) {
    return;
  }
  u64 least = (u64)index << 32;
  u32 from = 0;
  u32 to = (u32)n;
  while (from < to) {
    u32 middle = (from + to) / 2;
    if (entries[middle] < least) {
      from = middle + 1;
    } else {
      to = middle;
    }
  }
  entries[n + index] = from;
}

kernel void gather_grad_f32(
    PASS(float, to), PASS(const float, gradient), PASS(const u64, entries), i64 n, Slices slices) {
  TAKE(float, to);
  TAKE(const float, gradient);
  TAKE(const u64, entries);
  u32 units = (u32)(slices.bytes / sizeof(float));
  const global u64 *starts = entries + n;
  EACH((u32)slices.rows * units) {
    u32 row = i / units;
    u32 outer = row / (u32)slices.size;
    u32 index = row - outer * (u32)slices.size;
    const global float *from = gradient + (i64)outer * slices.count * units + (i - row * units);
    float sum = 0;
    for (u32 e = (u32)starts[index]; e < (u32)starts[index + 1]; e++) {
      sum += from[(i64)(u32)entries[e] * units];
    }
    to[i] = sum;
  }
}

typedef struct {
  i64 outer;
  i64 size; // of the data
  i64 inner;
  i64 taken; // indices of a lane
} Lanes;

#define TAKE_ALONG(BYTES, T) \
  kernel void take_along_##BYTES( \
      PASS(T, to), PASS(const T, from), PASS(const char, indices), i64 is_long, Lanes lanes, \
      PASS(i64, faults), i64 op) { \
    TAKE(T, to); \
    TAKE(const T, from); \
    TAKE(const char, indices); \
    TAKE(i64, faults); \
    u32 i = THREAD_INDEX; \
    u32 inner = (u32)lanes.inner; \
    if (i >= lanes.outer * lanes.taken * inner) { \
      return; \
    } \
    u32 row = i / inner; \
    i64 index = load_index(indices, is_long, i); \
    if (in_range(index, lanes.size, faults, op)) { \
      to[i] = from[(row / (u32)lanes.taken * lanes.size + index) * inner + (i - row * inner)]; \
    } \
  }

TAKE_ALONG(1, uchar)
TAKE_ALONG(2, ushort)
TAKE_ALONG(4, u32)
TAKE_ALONG(8, u64)

// Each element looks through the indices of its lane.
kernel void take_along_grad_f32(
    PASS(float, to), PASS(const float, gradient), PASS(const char, indices), i64 is_long,
    Lanes lanes, PASS(i64, faults), i64 op) {
  TAKE(float, to);
  TAKE(const float, gradient);
  TAKE(const char, indices);
  TAKE(i64, faults);
  u32 i = THREAD_INDEX;
  u32 inner = (u32)lanes.inner;
  if (i >= lanes.outer * lanes.size * inner) {
    return;
  }
  u32 row = i / inner;
  u32 outer = row / (u32)lanes.size;
  i64 self = row - outer * (u32)lanes.size;
  i64 at = outer * lanes.taken * inner + (i - row * inner);
  float sum = 0;
  for (i64 t = 0; t < lanes.taken; t++, at += inner) {
    i64 index = load_index(indices, is_long, at);
    if (in_range(index, lanes.size, faults, op) && index == self) {
      sum += gradient[at];
    }
  }
  to[i] = sum;
}

#define COPY(T) { \
    u32 units = (u32)(row_bytes / sizeof(T)); \
    i64 pitch = pitch_bytes / sizeof(T); \
    EACH((u32)rows * units) { \
      u32 row = i / units; \
      ((global T *)to)[row * pitch + (i - row * units)] = ((const global T *)from)[i]; \
    } \
  }

// One input of a concatenation: rows that lie `pitch_bytes` apart in the output.
kernel void copy_rows(
    PASS(char, to), i64 offset, PASS(const char, from), i64 rows, i64 row_bytes, i64 pitch_bytes) {
  TAKE(char, to);
  TAKE(const char, from);
  to += offset;
  u64 ends = (u64)to | (u64)from | (u64)row_bytes | (u64)pitch_bytes;
  if (ARE_MULTIPLES(ends, 16)) {
    COPY(uint4)
  } else if (ARE_MULTIPLES(ends, 4)) {
    COPY(u32)
  } else {
    COPY(uchar)
  }
}

typedef struct {
  i64 count;
  i64 rank;
  i64 dims[WALK_RANK]; // of the output
  i64 low[WALK_RANK];
  i64 step[WALK_RANK]; // from an element to the next, in the output
  i64 sizes[WALK_RANK]; // of the input
  i64 strides[WALK_RANK];
} Padding;

kernel void pad_f32(PASS(float, to), PASS(const float, from), float value, Padding padding) {
  TAKE(float, to);
  TAKE(const float, from);
  EACH(padding.count) {
    u32 rest = i;
    i64 at = 0;
    bool inside = true;
    for (int d = (int)padding.rank - 1; d >= 0; d--) {
      u32 next = rest / (u32)padding.dims[d];
      u32 place = rest - next * (u32)padding.dims[d] - (u32)padding.low[d];
      u32 step = (u32)padding.step[d];
      u32 coordinate = step == 1 ? place : place / step;
      // A place before the first element is a large number.
      inside &= coordinate < (u32)padding.sizes[d] && coordinate * step == place;
      at += coordinate * padding.strides[d];
      rest = next;
    }
    to[i] = inside ? from[at] : value;
  }
}

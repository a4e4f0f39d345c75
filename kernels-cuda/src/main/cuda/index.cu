// Picking by index, joining and padding. Tensors are seen as [outer, axis, inner]. An index that is
// out of range touches no memory.
#include "quads.cuh"

// Where such an index is told, see Fault.java.
struct Fault {
  i64* words;
  i64 op;
};

struct alignas(16) Wide {
  u64 low, high;
};

struct alignas(16) Floats {
  float x[4];
};

__device__ inline void accumulate(float& sum, float x) {
  sum += x;
}

__device__ inline void accumulate(Floats& sum, const Floats& x) {
#pragma unroll
  for (int i = 0; i < 4; i++) {
    sum.x[i] += x.x[i];
  }
}

__device__ inline i64 load_index(const void* indices, i64 is_long, i64 at) {
  return is_long ? ((const i64*)indices)[at] : ((const int*)indices)[at];
}

__device__ inline bool in_range(i64 index, i64 size, const Fault& fault) {
  if (index >= 0 && index < size) {
    return true;
  }
  if (fault.words[0] == 0 || fault.words[0] == fault.op) {
    fault.words[0] = fault.op;
    fault.words[1] = index;
    fault.words[2] = size;
  }
  return false;
}

__device__ inline u32 thread_count() {
  return gridDim.x * blockDim.x;
}

struct Slices {
  i64 rows; // slices of the result
  i64 count; // indices
  i64 size; // slices of the data to choose from
  i64 bytes; // of a slice
};

template <typename T>
__device__ inline void pick(
    T* __restrict__ to,
    const T* __restrict__ from,
    const void* __restrict__ indices,
    i64 is_long,
    const Slices& slices,
    const Fault& fault) {
  u32 units = (u32)(slices.bytes / sizeof(T));
  u32 total = (u32)slices.rows * units;
  const int AHEAD = 4; // units that are loaded before the first is stored
  u32 step = thread_count();
  for (u32 first = thread_index(); first < total; first += AHEAD * step) {
    i64 chosen[AHEAD];
    i64 places[AHEAD];
    bool found[AHEAD];
    T values[AHEAD];
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
      u32 i = first + a * step;
      u32 row = i / units;
      u32 outer = slices.count == slices.rows ? 0 : row / (u32)slices.count;
      places[a] = outer * slices.size * units + (i - row * units);
      found[a] = i < total;
      chosen[a] = found[a] ? load_index(indices, is_long, row - outer * (u32)slices.count) : 0;
    }
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
      found[a] = found[a] && in_range(chosen[a], slices.size, fault);
    }
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
      if (found[a]) {
        values[a] = from[places[a] + chosen[a] * units];
      }
    }
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
      if (found[a]) {
        to[first + a * step] = values[a];
      }
    }
  }
}

KERNEL gather(
    char* to,
    const char* from,
    const void* indices,
    i64 is_long,
    Slices slices,
    i64* faults,
    i64 op) {
  Fault fault = {faults, op};
  u64 ends = (u64)to | (u64)from | (u64)slices.bytes;
  if (ends % 16 == 0) {
    pick((Wide*)to, (const Wide*)from, indices, is_long, slices, fault);
  } else if (ends % 4 == 0) {
    pick((u32*)to, (const u32*)from, indices, is_long, slices, fault);
  } else {
    pick(to, from, indices, is_long, slices, fault);
  }
}

// For the sorted order of indices: each with its position. The rest, up to a power of two, is last.
KERNEL index_entries(
    u64* entries,
    i64 n,
    const void* indices,
    i64 is_long,
    i64 count,
    i64 size,
    i64* faults,
    i64 op) {
  Fault fault = {faults, op};
  u32 i = thread_index();
  if (i < n) {
    u64 entry = ~0ULL;
    if (i < count) {
      i64 index = load_index(indices, is_long, i);
      entry = in_range(index, size, fault) ? (u64)index << 32 | i : entry;
    }
    entries[i] = entry;
  }
}

// Behind n sorted entries: for each index, and for the one after the last, its first entry.
KERNEL index_starts(u64* entries, i64 n, i64 size) {
  u32 index = thread_index();
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

template <typename T>
__device__ inline void sum_picked(
    T* __restrict__ to,
    const T* __restrict__ gradient,
    const u64* __restrict__ entries,
    i64 n,
    const Slices& slices) {
  u32 units = (u32)(slices.bytes / sizeof(T));
  u32 total = (u32)slices.rows * units;
  const u64* starts = entries + n;
  for (u32 i = thread_index(); i < total; i += thread_count()) {
    u32 row = i / units;
    u32 outer = row / (u32)slices.size;
    u32 index = row - outer * (u32)slices.size;
    const T* from = gradient + (i64)outer * slices.count * units + (i - row * units);
    T sum = {};
    u32 end = (u32)starts[index + 1];
#pragma unroll 4
    for (u32 e = (u32)starts[index]; e < end; e++) {
      accumulate(sum, from[(i64)(u32)entries[e] * units]);
    }
    to[i] = sum;
  }
}

// Each element is summed in the order of the indices.
KERNEL gather_grad_f32(
    float* to, const float* gradient, const u64* entries, i64 n, Slices slices) {
  u64 ends = (u64)to | (u64)gradient | (u64)slices.bytes;
  if (ends % 16 == 0) {
    sum_picked((Floats*)to, (const Floats*)gradient, entries, n, slices);
  } else {
    sum_picked(to, gradient, entries, n, slices);
  }
}

struct Lanes {
  i64 outer;
  i64 size; // of the data
  i64 inner;
  i64 taken; // indices of a lane
};

template <typename T>
__device__ inline void take_along(
    T* to, const T* from, const void* indices, i64 is_long, const Lanes& lanes, const Fault& fault) {
  u32 i = thread_index();
  u32 inner = (u32)lanes.inner;
  if (i >= lanes.outer * lanes.taken * inner) {
    return;
  }
  u32 row = i / inner;
  i64 index = load_index(indices, is_long, i);
  if (in_range(index, lanes.size, fault)) {
    to[i] = from[(row / (u32)lanes.taken * lanes.size + index) * inner + (i - row * inner)];
  }
}

#define TAKE_ALONG(BYTES, T)                                                                      \
  KERNEL take_along_##BYTES(                                                                       \
      T* to, const T* from, const void* indices, i64 is_long, Lanes lanes, i64* faults, i64 op) {  \
    take_along(to, from, indices, is_long, lanes, Fault{faults, op});                              \
  }

TAKE_ALONG(1, unsigned char)
TAKE_ALONG(2, unsigned short)
TAKE_ALONG(4, u32)
TAKE_ALONG(8, u64)

// Each element looks through the indices of its lane.
KERNEL take_along_grad_f32(
    float* to,
    const float* gradient,
    const void* indices,
    i64 is_long,
    Lanes lanes,
    i64* faults,
    i64 op) {
  Fault fault = {faults, op};
  u32 i = thread_index();
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
    if (in_range(index, lanes.size, fault) && index == self) {
      sum += gradient[at];
    }
  }
  to[i] = sum;
}

template <typename T>
__device__ inline void copy(
    T* __restrict__ to, const T* __restrict__ from, i64 rows, i64 row_bytes, i64 pitch_bytes) {
  u32 units = (u32)(row_bytes / sizeof(T));
  u32 total = (u32)rows * units;
  i64 pitch = pitch_bytes / sizeof(T);
#pragma unroll 4
  for (u32 i = thread_index(); i < total; i += thread_count()) {
    u32 row = i / units;
    to[row * pitch + (i - row * units)] = from[i];
  }
}

// One input of a concatenation: rows that lie `pitch` bytes apart in the output.
KERNEL copy_rows(char* to, i64 offset, const char* from, i64 rows, i64 row_bytes, i64 pitch) {
  to += offset;
  u64 ends = (u64)to | (u64)from | (u64)row_bytes | (u64)pitch;
  if (ends % 16 == 0) {
    copy((Wide*)to, (const Wide*)from, rows, row_bytes, pitch);
  } else if (ends % 4 == 0) {
    copy((u32*)to, (const u32*)from, rows, row_bytes, pitch);
  } else {
    copy(to, from, rows, row_bytes, pitch);
  }
}

struct Padding {
  i64 count;
  i64 rank;
  i64 dims[WALK_RANK]; // of the output
  i64 low[WALK_RANK];
  i64 step[WALK_RANK]; // from an element to the next, in the output
  i64 sizes[WALK_RANK]; // of the input
  i64 strides[WALK_RANK];
};

// Where a place of the output is along a dimension of the input: beyond its end where it is padding.
__device__ inline u32 unpadded(const Padding& padding, int d, u32 index) {
  u32 place = index - (u32)padding.low[d]; // before the first element, a large number
  u32 step = (u32)padding.step[d];
  if (step == 1) {
    return place;
  }
  u32 coordinate = place / step;
  return coordinate * step == place ? coordinate : ~0u;
}

// A row, the last dimension, of the output. DENSE: nothing lies between its elements, neither there
// nor in the input.
template <bool DENSE>
struct PaddedRow {
  const float* from;
  u32 low, size; // 0 of a row outside

  __device__ PaddedRow(const float* data, const Padding& padding, u32 row) : from(data) {
    int last = (int)padding.rank - 1;
    low = (u32)padding.low[last];
    size = (u32)padding.sizes[last];
    int d = last - 1;
#pragma unroll 1
    for (; d > 0; d--) {
      u32 next = row / (u32)padding.dims[d];
      descend(padding, d, row - next * (u32)padding.dims[d]);
      row = next;
    }
    if (d == 0) {
      descend(padding, 0, row);
    }
  }

  __device__ void descend(const Padding& padding, int d, u32 index) {
    u32 coordinate = unpadded(padding, d, index);
    size = coordinate < (u32)padding.sizes[d] ? size : 0;
    from += coordinate * padding.strides[d];
  }

  __device__ float at(const Padding& padding, u32 index, float value) const {
    int last = (int)padding.rank - 1;
    u32 coordinate = DENSE ? index - low : unpadded(padding, last, index);
    i64 stride = DENSE ? 1 : padding.strides[last];
    return coordinate < size ? from[coordinate * stride] : value;
  }
};

// Four neighbours, mostly of one row.
template <bool DENSE>
__device__ inline void pad_quad(
    float (&values)[4], const float* from, float value, const Padding& padding, u32 first) {
  u32 width = (u32)padding.dims[padding.rank - 1];
  u32 row = first / width;
  u32 index = first - row * width;
  PaddedRow<DENSE> padded(from, padding, row);
#pragma unroll
  for (int k = 0; k < 4; k++) {
    if (index == width) {
      index = 0;
      padded = PaddedRow<DENSE>(from, padding, ++row);
    }
    values[k] = padded.at(padding, index++, value);
  }
}

KERNEL pad_f32(
    float* __restrict__ to, const float* __restrict__ from, float value, Padding padding) {
  u32 first = 4 * thread_index();
  if (first >= padding.count) {
    return;
  }
  int last = (int)padding.rank - 1;
  float values[4];
  if (padding.step[last] == 1 && padding.strides[last] == 1) {
    pad_quad<true>(values, from, value, padding, first);
  } else {
    pad_quad<false>(values, from, value, padding, first);
  }
  store_quad(to, values, first, padding.count, are_aligned((u64)to));
}

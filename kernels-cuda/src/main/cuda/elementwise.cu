// Elementwise functions that are not chains of floats: casts, copies, choices, and functions with
// branches.
#include "quern.cuh"

// Numbers of DType's constants.
enum Type { F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8, BOOL };

__device__ inline bool is_float(i64 type) {
  return type <= BF16;
}

__device__ inline double load_float(const void* from, i64 at, i64 type) {
  switch (type) {
    case F64: return ((const double*)from)[at];
    case F32: return ((const float*)from)[at];
    case F16: return from_f16(((const unsigned short*)from)[at]);
    default: return from_bf16(((const unsigned short*)from)[at]);
  }
}

__device__ inline i64 load_integer(const void* from, i64 at, i64 type) {
  switch (type) {
    case I64: return ((const i64*)from)[at];
    case I32: return ((const int*)from)[at];
    case I16: return ((const short*)from)[at];
    case I8: return ((const signed char*)from)[at];
    case U64: return (i64)((const u64*)from)[at];
    case U32: return ((const u32*)from)[at];
    case U16: return ((const unsigned short*)from)[at];
    default: return ((const unsigned char*)from)[at];
  }
}

// The double's nearest float with its lowest bit set when the float is not exact, so that rounding
// again, to fewer bits, rounds as if from the double.
__device__ inline float to_odd(double x) {
  float nearest = (float)x;
  if (nearest == x || is_nan(nearest) || fabsf(nearest) > 0x1.fffffep127f) {
    return nearest;
  }
  int bits = __float_as_int(nearest);
  if (fabs((double)nearest) > fabs(x)) {
    bits--; // towards zero
  }
  return __int_as_float(bits | 1);
}

__device__ inline void store_float(void* to, i64 at, i64 type, double x) {
  switch (type) {
    case F64: ((double*)to)[at] = x; break;
    case F32: ((float*)to)[at] = (float)x; break;
    case F16: ((unsigned short*)to)[at] = to_f16(to_odd(x)); break;
    default: ((unsigned short*)to)[at] = to_bf16(to_odd(x)); break;
  }
}

__device__ inline void store_integer(void* to, i64 at, i64 type, i64 x) {
  switch (type) {
    case I64: case U64: ((i64*)to)[at] = x; break;
    case I32: case U32: ((int*)to)[at] = (int)x; break;
    case I16: case U16: ((short*)to)[at] = (short)x; break;
    case BOOL: ((unsigned char*)to)[at] = x != 0; break;
    default: ((signed char*)to)[at] = (signed char)x; break;
  }
}

// Towards zero and saturated, NaN to 0.
__device__ inline i64 saturated(double x, i64 type) {
  if (is_nan((float)x)) {
    return 0;
  }
  double least;
  double most;
  switch (type) {
    case I64:
      return x >= 0x1p63 ? 0x7fffffffffffffffLL : x <= -0x1p63 ? -0x7fffffffffffffffLL - 1 : (i64)x;
    case U64:
      return x >= 0x1p64 ? -1 : x <= 0 ? 0 : x >= 0x1p63 ? (i64)(x - 0x1p63) ^ (i64)(1ULL << 63) : (i64)x;
    case I32: least = -0x1p31; most = 0x1p31 - 1; break;
    case I16: least = -0x1p15; most = 0x1p15 - 1; break;
    case I8: least = -0x1p7; most = 0x1p7 - 1; break;
    case U32: least = 0; most = 0x1p32 - 1; break;
    case U16: least = 0; most = 0x1p16 - 1; break;
    default: least = 0; most = 0x1p8 - 1; break;
  }
  return x <= least ? (i64)least : x >= most ? (i64)most : (i64)x;
}

// A double that floats of 16 bits round as they would round the integer: its lowest bit is set where
// bits were cut off.
__device__ inline double sticky(i64 x) {
  if (x <= 1LL << 53 && x >= -(1LL << 53)) {
    return (double)x;
  }
  return (double)(x >> 11 | ((x & 0x7ff) != 0)) * 0x1p11;
}

__device__ inline double to_double(i64 x, i64 to_type, i64 from_type) {
  if (to_type == F64) {
    return from_type == U64 ? (double)(u64)x : (double)x;
  }
  u64 bits = (u64)x;
  return from_type == U64 && x < 0 ? 2 * sticky((i64)(bits >> 1 | (bits & 1))) : sticky(x);
}

// Integers of 64 bits to F32 round once.
__device__ inline float to_float(i64 x, i64 type) {
  return type == U64 ? (float)(u64)x : (float)x;
}

KERNEL cast(void* to, const void* from, i64 to_type, i64 from_type, Walk walk) {
  u32 index = thread_index();
  if (index >= walk.count) {
    return;
  }
  i64 at = locate(walk, index);
  if (is_float(from_type)) {
    double x = load_float(from, at, from_type);
    if (is_float(to_type)) {
      store_float(to, index, to_type, x);
    } else {
      store_integer(to, index, to_type, to_type == BOOL ? x != 0 : saturated(x, to_type));
    }
    return;
  }
  i64 x = load_integer(from, at, from_type);
  if (to_type == F32) {
    ((float*)to)[index] = to_float(x, from_type);
  } else if (is_float(to_type)) {
    store_float(to, index, to_type, to_double(x, to_type, from_type));
  } else {
    store_integer(to, index, to_type, x);
  }
}

template <typename T>
__device__ inline void copy(T* to, const T* from, const Walk& walk) {
  u32 index = thread_index();
  if (index < walk.count) {
    to[index] = from[locate(walk, index)];
  }
}

template <typename T>
__device__ inline void where(
    T* to, const unsigned char* condition, const T* then, const T* otherwise, const Walk& walk) {
  u32 index = thread_index();
  if (index < walk.count) {
    i64 at[3];
    locate(walk, index, at);
    to[index] = condition[at[0]] ? then[at[1]] : otherwise[at[2]];
  }
}

template <typename T>
__device__ inline void fill(T* to, u64 bits, i64 count) {
  u32 index = thread_index();
  if (index < count) {
    to[index] = (T)bits;
  }
}

#define SIZED(BYTES, T)                                                                           \
  KERNEL copy_##BYTES(T* to, const T* from, Walk walk) {                                           \
    copy(to, from, walk);                                                                          \
  }                                                                                                \
  KERNEL where_##BYTES(                                                                            \
      T* to, const unsigned char* condition, const T* then, const T* otherwise, Walk walk) {       \
    where(to, condition, then, otherwise, walk);                                                   \
  }                                                                                                \
  KERNEL fill_##BYTES(T* to, u64 bits, i64 count) {                                                \
    fill(to, bits, count);                                                                         \
  }

SIZED(1, unsigned char)
SIZED(2, unsigned short)
SIZED(4, u32)
SIZED(8, u64)

#define BINARY(NAME, TYPE, R, T, EXPRESSION)                                                       \
  KERNEL NAME##_##TYPE(R* to, const T* left, const T* right, Walk walk) {                          \
    u32 index = thread_index();                                                                    \
    if (index < walk.count) {                                                                      \
      i64 at[2];                                                                                   \
      locate(walk, index, at);                                                                     \
      T x = left[at[0]];                                                                           \
      T y = right[at[1]];                                                                          \
      to[index] = EXPRESSION;                                                                      \
    }                                                                                              \
  }

#define COMPARISONS(TYPE, T)                                                                      \
  BINARY(eq, TYPE, unsigned char, T, x == y)                                                       \
  BINARY(ne, TYPE, unsigned char, T, x != y)                                                       \
  BINARY(lt, TYPE, unsigned char, T, x < y)                                                        \
  BINARY(le, TYPE, unsigned char, T, x <= y)                                                       \
  BINARY(gt, TYPE, unsigned char, T, x > y)                                                        \
  BINARY(ge, TYPE, unsigned char, T, x >= y)

COMPARISONS(f32, float)

// Sums and products of integers wrap around.
#define INTEGERS(TYPE, T, U)                                                                       \
  COMPARISONS(TYPE, T)                                                                             \
  BINARY(add, TYPE, T, T, (T)((U)x + (U)y))                                                        \
  BINARY(sub, TYPE, T, T, (T)((U)x - (U)y))                                                        \
  BINARY(mul, TYPE, T, T, (T)((U)x * (U)y))                                                        \
  BINARY(min, TYPE, T, T, x < y ? x : y)                                                           \
  BINARY(max, TYPE, T, T, x > y ? x : y)

INTEGERS(i64, i64, u64)
INTEGERS(i32, int, u32)

// Functions with branches. Sine and cosine of large arguments need many words of 2 / pi.

KERNEL sin_f32(float* to, const float* x, Walk walk) {
  u32 index = thread_index();
  if (index < walk.count) {
    to[index] = sinf(x[locate(walk, index)]);
  }
}

KERNEL cos_f32(float* to, const float* x, Walk walk) {
  u32 index = thread_index();
  if (index < walk.count) {
    to[index] = cosf(x[locate(walk, index)]);
  }
}

// As in Java, a base of magnitude 1 has no infinite power, and NaN is a power of 1 of no use.
__device__ inline float power(float x, float y) {
  if (is_nan(y) || (fabsf(x) == 1 && fabsf(y) > 0x1.fffffep127f)) {
    return __int_as_float(0x7fc00000);
  }
  return (float)pow((double)x, (double)y);
}

BINARY(pow, f32, float, float, power(x, y))

// Elementwise functions that are not chains of floats: casts, copies, choices, and functions with
// branches.

#define COPY(BYTES, T) \
  kernel void copy_##BYTES(PASS(T, to), PASS(const T, from), Walk walk) { \
    TAKE(T, to); \
    TAKE(const T, from); \
    u32 index = THREAD_INDEX; \
    if (index < walk.count) { \
      to[index] = from[locate(&walk, index)]; \
    } \
  } \
  kernel void where_##BYTES( \
      PASS(T, to), PASS(const uchar, condition), PASS(const T, then), PASS(const T, otherwise), \
      Walk walk) { \
    TAKE(T, to); \
    TAKE(const uchar, condition); \
    TAKE(const T, then); \
    TAKE(const T, otherwise); \
    u32 index = THREAD_INDEX; \
    if (index < walk.count) { \
      i64 at[3]; \
      locate_all(&walk, index, 3, at); \
      to[index] = condition[at[0]] ? then[at[1]] : otherwise[at[2]]; \
    } \
  } \
  kernel void fill_##BYTES(PASS(T, to), u64 bits, i64 count) { \
    TAKE(T, to); \
    u32 index = THREAD_INDEX; \
    if (index < count) { \
      to[index] = (T)bits; \
    } \
  }

COPY(1, uchar)
COPY(2, ushort)
COPY(4, u32)
COPY(8, u64)

#define BINARY(NAME, TYPE, R, T, EXPRESSION) \
  kernel void NAME##_##TYPE(PASS(R, to), PASS(const T, left), PASS(const T, right), Walk walk) { \
    TAKE(R, to); \
    TAKE(const T, left); \
    TAKE(const T, right); \
    u32 index = THREAD_INDEX; \
    if (index < walk.count) { \
      i64 at[2]; \
      locate_all(&walk, index, 2, at); \
      T x = left[at[0]]; \
      T y = right[at[1]]; \
      to[index] = EXPRESSION; \
    } \
  }

#define COMPARISONS(TYPE, T) \
  BINARY(eq, TYPE, uchar, T, x == y) \
  BINARY(ne, TYPE, uchar, T, x != y) \
  BINARY(lt, TYPE, uchar, T, x < y) \
  BINARY(le, TYPE, uchar, T, x <= y) \
  BINARY(gt, TYPE, uchar, T, x > y) \
  BINARY(ge, TYPE, uchar, T, x >= y)

COMPARISONS(f32, float)

// Sums and products of integers wrap around.
#define INTEGERS(TYPE, T, U) \
  COMPARISONS(TYPE, T) \
  BINARY(add, TYPE, T, T, (T)((U)x + (U)y)) \
  BINARY(sub, TYPE, T, T, (T)((U)x - (U)y)) \
  BINARY(mul, TYPE, T, T, (T)((U)x * (U)y)) \
  BINARY(min, TYPE, T, T, x < y ? x : y) \
  BINARY(max, TYPE, T, T, x > y ? x : y)

INTEGERS(i64, i64, u64)
INTEGERS(i32, int, u32)

#define FUNCTION(NAME) \
  kernel void NAME##_f32(PASS(float, to), PASS(const float, x), Walk walk) { \
    TAKE(float, to); \
    TAKE(const float, x); \
    u32 index = THREAD_INDEX; \
    if (index < walk.count) { \
      to[index] = NAME(x[locate(&walk, index)]); \
    } \
  }

FUNCTION(sin)
FUNCTION(cos)

#ifdef cl_khr_fp64

// As in Java, a base of magnitude 1 has no infinite power, and NaN is a power of 1 of no use.
static inline float power(float x, float y) {
  return isnan(y) || (fabs(x) == 1.0f && isinf(y)) ? NAN : (float)pow((double)x, (double)y);
}

BINARY(pow, f32, float, float, power(x, y))

// Numbers of DType's constants, see ElementwiseKernels.java.
enum Type { F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8, BOOL };

static inline double load_float(const global char *from, i64 at, i64 type) {
  switch (type) {
    case F64: return ((const global double *)from)[at];
    case F32: return ((const global float *)from)[at];
    case F16: return vload_half(at, (const global half *)from);
    default: return from_bf16(((const global ushort *)from)[at]);
  }
}

static inline i64 load_integer(const global char *from, i64 at, i64 type) {
  switch (type) {
    case I64:
    case U64: return ((const global i64 *)from)[at];
    case I32: return ((const global int *)from)[at];
    case I16: return ((const global short *)from)[at];
    case I8: return ((const global char *)from)[at];
    case U32: return ((const global u32 *)from)[at];
    case U16: return ((const global ushort *)from)[at];
    default: return ((const global uchar *)from)[at];
  }
}

// The double's nearest float with its lowest bit set when the float is not exact, so that rounding
// again, to fewer bits, rounds as if from the double.
static inline float to_odd(double x) {
  float nearest = (float)x;
  if (nearest == x || isnan(nearest) || isinf(nearest)) {
    return nearest;
  }
  int bits = as_int(nearest);
  if (fabs((double)nearest) > fabs(x)) {
    bits--; // towards zero
  }
  return as_float(bits | 1);
}

static inline void store_float(global char *to, i64 at, i64 type, double x) {
  switch (type) {
    case F64: ((global double *)to)[at] = x; break;
    case F32: ((global float *)to)[at] = (float)x; break;
    case F16: vstore_half_rte(to_odd(x), at, (global half *)to); break;
    default: ((global ushort *)to)[at] = to_bf16(to_odd(x)); break;
  }
}

static inline void store_integer(global char *to, i64 at, i64 type, i64 x) {
  switch (type) {
    case I64:
    case U64: ((global i64 *)to)[at] = x; break;
    case I32:
    case U32: ((global int *)to)[at] = (int)x; break;
    case I16:
    case U16: ((global short *)to)[at] = (short)x; break;
    case BOOL: ((global uchar *)to)[at] = x != 0; break;
    default: ((global char *)to)[at] = (char)x; break;
  }
}

// Towards zero and saturated, NaN to 0.
static inline i64 saturated(double x, i64 type) {
  if (isnan(x)) {
    return 0;
  }
  double least;
  double most;
  switch (type) {
    case I64: return x >= 0x1p63 ? LONG_MAX : x <= -0x1p63 ? LONG_MIN : (i64)x;
    case U64:
      return x >= 0x1p64 ? -1 : x <= 0 ? 0 : x >= 0x1p63 ? (i64)(x - 0x1p63) ^ LONG_MIN : (i64)x;
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
static inline double sticky(i64 x) {
  if (x <= 1L << 53 && x >= -(1L << 53)) {
    return (double)x;
  }
  return (double)(x >> 11 | ((x & 0x7ff) != 0)) * 0x1p11;
}

static inline double to_double(i64 x, i64 to_type, i64 from_type) {
  if (to_type == F64) {
    return from_type == U64 ? (double)(u64)x : (double)x;
  }
  u64 bits = (u64)x;
  return from_type == U64 && x < 0 ? 2 * sticky((i64)(bits >> 1 | (bits & 1))) : sticky(x);
}

kernel void cast(PASS(char, to), PASS(const char, from), i64 to_type, i64 from_type, Walk walk) {
  TAKE(char, to);
  TAKE(const char, from);
  u32 index = THREAD_INDEX;
  if (index >= walk.count) {
    return;
  }
  i64 at = locate(&walk, index);
  bool floating = to_type <= BF16;
  if (from_type <= BF16) {
    double x = load_float(from, at, from_type);
    if (floating) {
      store_float(to, index, to_type, x);
    } else {
      store_integer(to, index, to_type, to_type == BOOL ? x != 0 : saturated(x, to_type));
    }
    return;
  }
  i64 x = load_integer(from, at, from_type);
  if (to_type == F32) { // integers of 64 bits round once
    ((global float *)to)[index] = from_type == U64 ? (float)(u64)x : (float)x;
  } else if (floating) {
    store_float(to, index, to_type, to_double(x, to_type, from_type));
  } else {
    store_integer(to, index, to_type, x);
  }
}

#endif

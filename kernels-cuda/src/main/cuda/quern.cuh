// What all kernels share. No headers of the toolkit are needed, so that the sources compile for the
// host as well, where tests run them.
#pragma once

typedef long long i64;
typedef unsigned long long u64;
typedef unsigned int u32;

#define KERNEL extern "C" __global__ void

const int WALK_RANK = 6;
const int WALK_OPERANDS = 4;

// How one index runs over operands of one shape, see Walk.java. Strides in elements.
struct Walk {
  i64 count;
  i64 rank;
  i64 dims[WALK_RANK];
  i64 strides[WALK_OPERANDS][WALK_RANK];
};

// Index of the element of each of the first N operands.
template <int N>
__device__ inline void locate(const Walk& walk, u32 index, i64 (&at)[N]) {
  for (int i = 0; i < N; i++) {
    at[i] = 0;
  }
  for (int d = (int)walk.rank - 1; d > 0; d--) {
    u32 dim = (u32)walk.dims[d];
    u32 next = index / dim;
    u32 coordinate = index - next * dim;
    for (int i = 0; i < N; i++) {
      at[i] += coordinate * walk.strides[i][d];
    }
    index = next;
  }
  for (int i = 0; i < N; i++) {
    at[i] += index * walk.strides[i][0];
  }
}

__device__ inline i64 locate(const Walk& walk, u32 index) {
  i64 at[1];
  locate(walk, index, at);
  return at[0];
}

__device__ inline u32 thread_index() {
  return blockIdx.x * blockDim.x + threadIdx.x;
}

// The same number, which the compiler takes for another: what follows from it is computed anew
// instead of kept in registers.
__device__ inline u32 again(u32 x) {
  asm volatile("" : "+r"(x));
  return x;
}

__device__ inline bool is_nan(float x) {
  return x != x;
}

// NaN when either is NaN; -0 is less than 0.
__device__ inline float larger(float x, float y) {
  if (is_nan(x) || is_nan(y)) {
    return x + y;
  }
  return x > y || (x == y && __float_as_int(y) < 0) ? x : y;
}

__device__ inline float smaller(float x, float y) {
  return -larger(-x, -y);
}

__device__ inline float from_bf16(unsigned short bits) {
  return __int_as_float((int)((u32)bits << 16));
}

__device__ inline unsigned short to_bf16(float x) {
  u32 bits = (u32)__float_as_int(x);
  if (is_nan(x)) {
    return (unsigned short)(bits >> 16 | 0x40);
  }
  return (unsigned short)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

__device__ inline float from_f16(unsigned short half) {
#ifdef __CUDACC__
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(half));
  return x;
#else
  u32 sign = (u32)(half & 0x8000) << 16;
  u32 magnitude = half & 0x7fff;
  if (magnitude >= 0x7c00) {
    return __int_as_float((int)(sign | 0x7f800000 | (magnitude & 0x3ff) << 13));
  }
  // The exponent's bias differs by 112; multiplying makes denormal halves normal.
  float scaled = __int_as_float((int)(magnitude << 13)) * 0x1p112f;
  return __int_as_float((int)(sign | (u32)__float_as_int(scaled)));
#endif
}

__device__ inline unsigned short to_f16(float x) {
  u32 bits = (u32)__float_as_int(x);
  u32 sign = bits >> 16 & 0x8000;
  u32 magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) {
    return (unsigned short)(sign | 0x7e00);
  }
  if (magnitude >= 0x477ff000) {
    return (unsigned short)(sign | 0x7c00); // 65520 and more
  }
  if (magnitude < 0x38800000) {
    // Below 2^-14: adding 1/2 leaves the multiples of 2^-24, rounded, in the low bits.
    float sum = __int_as_float((int)magnitude) + 0.5f;
    return (unsigned short)(sign | ((u32)__float_as_int(sum) - 0x3f000000));
  }
  u32 rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return (unsigned short)(sign | ((rounded - 0x38000000) >> 13));
}

// Four neighbouring elements at a time, floats in registers, in one access where addresses allow it.
#pragma once
#include "quern.cuh"

// Whether no address is off by other than multiples of 16 bytes; join addresses with |.
__device__ inline bool are_aligned(u64 addresses) {
  return addresses % 16 == 0;
}

__device__ inline void load_quad(float* values, const float* from) {
  float4 quad = *(const float4*)from;
  values[0] = quad.x;
  values[1] = quad.y;
  values[2] = quad.z;
  values[3] = quad.w;
}

__device__ inline void store_quad(float* to, const float* values) {
  float4 quad = {values[0], values[1], values[2], values[3]};
  *(float4*)to = quad;
}

// Elements that are floats of 16 bits in memory.
struct Bfloat16 {
  unsigned short bits;
};

struct Float16 {
  unsigned short bits;
};

__device__ inline float widened(float x) {
  return x;
}

__device__ inline float widened(Bfloat16 x) {
  return from_bf16(x.bits);
}

__device__ inline float widened(Float16 x) {
  return from_f16(x.bits);
}

__device__ inline void put(float* to, float x) {
  *to = x;
}

__device__ inline void put(Bfloat16* to, float x) {
  to->bits = to_bf16(x);
}

__device__ inline void put(Float16* to, float x) {
  to->bits = to_f16(x);
}

template <typename T>
__device__ inline void load_quad(float* values, const T* from) {
  u64 quad = *(const u64*)from;
#pragma unroll
  for (int k = 0; k < 4; k++) {
    values[k] = widened(T{(unsigned short)(quad >> 16 * k)});
  }
}

template <typename T>
__device__ inline void store_quad(T* to, const float* values) {
  u64 quad = 0;
#pragma unroll
  for (int k = 0; k < 4; k++) {
    T element;
    put(&element, values[k]);
    quad |= (u64)element.bits << 16 * k;
  }
  *(u64*)to = quad;
}

#if __CUDA_ARCH__ >= 800
// Two neighbours in memory.
__device__ inline u32 pair_bf16(float low, float high) {
  u32 pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

__device__ inline u32 pair_f16(float low, float high) {
  u32 pair;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

__device__ inline void store_quad(Bfloat16* to, const float* values) {
  *(u64*)to = (u64)pair_bf16(values[2], values[3]) << 32 | pair_bf16(values[0], values[1]);
}

__device__ inline void store_quad(Float16* to, const float* values) {
  *(u64*)to = (u64)pair_f16(values[2], values[3]) << 32 | pair_f16(values[0], values[1]);
}
#endif

// The elements from index at on, those before end.
__device__ inline void load_quad(float* values, const float* from, i64 at, i64 end, bool aligned) {
  if (aligned && at + 4 <= end) {
    load_quad(values, from + at);
    return;
  }
#pragma unroll
  for (int k = 0; k < 4; k++) {
    values[k] = at + k < end ? from[at + k] : 0;
  }
}

__device__ inline void store_quad(float* to, const float* values, i64 at, i64 end, bool aligned) {
  if (aligned && at + 4 <= end) {
    store_quad(to + at, values);
    return;
  }
#pragma unroll
  for (int k = 0; k < 4; k++) {
    if (at + k < end) {
      to[at + k] = values[k];
    }
  }
}

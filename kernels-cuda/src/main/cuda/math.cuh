// Functions of one float with the bits of the CPU's, whose operations they repeat one by one: see
// ScalarMath.java for how they work and MathConstants.java for the constants. exp_negative has others.
#pragma once
#include "quern.cuh"

namespace scalar {

// Of |r| <= log(2) / 2.
__device__ inline float exp_polynomial(float r) {
  float p = fmaf(fmaf(0x1.6abfd6p-10f, r, 0x1.122c3cp-7f), r, 0x1.55579ap-5f);
  p = fmaf(fmaf(p, r, 0x1.5554aap-3f), r, 0x1.fffffep-2f);
  return fmaf(fmaf(p, r, 1.0f), r, 1.0f);
}

// x - n log(2), log(2) in two parts.
__device__ inline float less_log2s(float x, float n) {
  return fmaf(n, 0x1.05c610p-29f, fmaf(n, -0x1.62e430p-1f, x));
}

__device__ inline float exp(float x) {
  float t = fmaf(x, 0x1.715476p0f, 0x1.8p23f + 254);
  float p = exp_polynomial(less_log2s(x, t - (0x1.8p23f + 254)));
  u32 bits = (u32)__float_as_int(t);
  u32 half = bits >> 1;
  float y = p * __int_as_float((int)(half << 23)) * __int_as_float((int)((bits - half) << 23));
  y = x > 89 ? __int_as_float(0x7f800000) : y;
  return x < -104 ? 0 : y;
}

// 2^x, but for an error of 2^-22, and 0 for what is below the least normal number.
__device__ inline float power_of_2(float x) {
#ifdef __CUDACC__
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return exp2f(x);
#endif
}

// The logarithm to the base 2, but for an error of 2^-22.
__device__ inline float rough_log2(float x) {
#ifdef __CUDACC__
  float y;
  asm("lg2.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return log2f(x);
#endif
}

// exp of x <= 0 by the unit for powers of 2, with an error of 2^-22: what x log2(e) loses when it is rounded
// is multiplied afterwards. The power is 2^64 times as large, so that small results are not 0.
__device__ inline float exp_negative(float x) {
  float whole = fmaf(x, 0x1.715476p0f, 64);
  float rest = fmaf(x, 0x1.4ae0cp-26f, fmaf(x, 0x1.715476p0f, 64 - whole));
  float power = power_of_2(whole);
  float y = fmaf(power * 0x1.62e43p-65f, rest, power * 0x1p-64f);
  return x < -104 ? 0 : y;
}

__device__ inline float log(float x) {
  bool tiny = x < 0x1p-126f;
  int bits = __float_as_int(tiny ? x * 0x1p23f : x) - 0x3f3504f3;
  float e = (float)(bits >> 23) - (tiny ? 23.0f : 0.0f);
  float f = __int_as_float((bits & 0x7fffff) + 0x3f3504f3) - 1;
  float p = fmaf(fmaf(-0x1.391b08p-4f, f, 0x1.057b34p-3f), f, -0x1.0d81e0p-3f);
  p = fmaf(fmaf(p, f, 0x1.22d5acp-3f), f, -0x1.547222p-3f);
  p = fmaf(fmaf(p, f, 0x1.99a036p-3f), f, -0x1.000228p-2f);
  p = fmaf(fmaf(p, f, 0x1.555554p-2f), f, -0.5f);
  float y = fmaf(e, 0x1.62e430p-1f, f + fmaf(f * f, p, e * -0x1.05c610p-29f));
  y = x < __int_as_float(0x7f800000) ? y : x;
  y = x == 0 ? __int_as_float((int)0xff800000) : y;
  return x < 0 ? __int_as_float(0x7fc00000) : y;
}

}  // namespace scalar

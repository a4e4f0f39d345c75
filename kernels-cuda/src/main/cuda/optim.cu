// Optimiser steps, four elements a thread; outputs may lie where the inputs do.
#include "quads.cuh"

KERNEL sgd_f32(
    float* new_parameter, float* new_velocity, const float* parameter, const float* gradient,
    const float* velocity, const float* rate, float momentum, float decay, i64 nesterov,
    i64 count) {
  i64 at = 4 * (i64)thread_index();
  if (at >= count) {
    return;
  }
  bool aligned = are_aligned(
      (u64)new_parameter | (u64)new_velocity | (u64)parameter | (u64)gradient | (u64)velocity);
  float p[4];
  float g[4];
  float v[4];
  load_quad(p, parameter, at, count, aligned);
  load_quad(g, gradient, at, count, aligned);
  load_quad(v, velocity, at, count, aligned);
  float lr = *rate;
#pragma unroll
  for (int k = 0; k < 4; k++) {
    float slope = fmaf(decay, p[k], g[k]);
    v[k] = fmaf(momentum, v[k], slope);
    p[k] = fmaf(-lr, nesterov ? fmaf(momentum, v[k], slope) : v[k], p[k]);
  }
  store_quad(new_parameter, p, at, count, aligned);
  store_quad(new_velocity, v, at, count, aligned);
}

struct Betas {
  i64 beta1, rest1, beta2, rest2, epsilon; // bits of floats
};

__device__ inline float from_word(i64 bits) {
  return __int_as_float((int)bits);
}

// scalars: lr, c1, c2
KERNEL adam_f32(
    float* new_parameter, float* new_m, float* new_v, const float* parameter,
    const float* gradient, const float* first, const float* second, const float* scalars,
    Betas betas, double weight_decay, i64 decoupled, i64 count) {
  i64 at = 4 * (i64)thread_index();
  if (at >= count) {
    return;
  }
  bool aligned = are_aligned(
      (u64)new_parameter | (u64)new_m | (u64)new_v | (u64)parameter | (u64)gradient | (u64)first |
      (u64)second);
  float p[4];
  float g[4];
  float m[4];
  float v[4];
  load_quad(p, parameter, at, count, aligned);
  load_quad(g, gradient, at, count, aligned);
  load_quad(m, first, at, count, aligned);
  load_quad(v, second, at, count, aligned);
  double lr = scalars[0];
  float keep = decoupled ? (float)(1 - lr * weight_decay) : 1;
  float decay = decoupled ? 0 : (float)weight_decay;
  float rate = (float)(lr / scalars[1]);
  float unbias = (float)(1 / (double)scalars[2]);
  float beta1 = from_word(betas.beta1);
  float rest1 = from_word(betas.rest1);
  float beta2 = from_word(betas.beta2);
  float rest2 = from_word(betas.rest2);
  float epsilon = from_word(betas.epsilon);
#pragma unroll
  for (int k = 0; k < 4; k++) {
    float slope = fmaf(decay, p[k], g[k]);
    m[k] = fmaf(beta1, m[k], rest1 * slope);
    v[k] = fmaf(beta2, v[k], rest2 * slope * slope);
    p[k] = fmaf(-rate, m[k] / (sqrtf(v[k] * unbias) + epsilon), p[k] * keep);
  }
  store_quad(new_parameter, p, at, count, aligned);
  store_quad(new_m, m, at, count, aligned);
  store_quad(new_v, v, at, count, aligned);
}

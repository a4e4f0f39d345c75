// Optimiser steps, four elements a thread; outputs may lie where the inputs do.

kernel void sgd_f32(
    PASS(float, new_parameter), PASS(float, new_velocity), PASS(const float, parameter),
    PASS(const float, gradient), PASS(const float, velocity), PASS(const float, rate),
    float momentum, float decay, i64 nesterov, i64 count) {
  TAKE(float, new_parameter);
  TAKE(float, new_velocity);
  TAKE(const float, parameter);
  TAKE(const float, gradient);
  TAKE(const float, velocity);
  TAKE(const float, rate);
  i64 first = 4 * (i64)THREAD_INDEX;
  float lr = *rate;
  for (i64 at = first; at < min(first + 4, count); at++) {
    float p = parameter[at];
    float slope = fma(decay, p, gradient[at]);
    float v = fma(momentum, velocity[at], slope);
    new_velocity[at] = v;
    new_parameter[at] = fma(-lr, nesterov ? fma(momentum, v, slope) : v, p);
  }
}

#ifdef cl_khr_fp64

typedef struct {
  i64 beta1, rest1, beta2, rest2, epsilon; // bits of floats
} Betas;

// scalars: lr, c1, c2
kernel void adam_f32(
    PASS(float, new_parameter), PASS(float, new_m), PASS(float, new_v),
    PASS(const float, parameter), PASS(const float, gradient), PASS(const float, first_moment),
    PASS(const float, second_moment), PASS(const float, scalars), Betas betas, double weight_decay,
    i64 decoupled, i64 count) {
  TAKE(float, new_parameter);
  TAKE(float, new_m);
  TAKE(float, new_v);
  TAKE(const float, parameter);
  TAKE(const float, gradient);
  TAKE(const float, first_moment);
  TAKE(const float, second_moment);
  TAKE(const float, scalars);
  double lr = scalars[0];
  float keep = decoupled ? (float)(1 - lr * weight_decay) : 1.0f;
  float decay = decoupled ? 0.0f : (float)weight_decay;
  float rate = (float)(lr / scalars[1]);
  float unbias = (float)(1 / (double)scalars[2]);
  float beta1 = as_float((int)betas.beta1);
  float rest1 = as_float((int)betas.rest1);
  float beta2 = as_float((int)betas.beta2);
  float rest2 = as_float((int)betas.rest2);
  float epsilon = as_float((int)betas.epsilon);
  i64 first = 4 * (i64)THREAD_INDEX;
  for (i64 at = first; at < min(first + 4, count); at++) {
    float p = parameter[at];
    float slope = fma(decay, p, gradient[at]);
    float m = fma(beta1, first_moment[at], rest1 * slope);
    float v = fma(beta2, second_moment[at], rest2 * slope * slope);
    new_m[at] = m;
    new_v[at] = v;
    new_parameter[at] = fma(-rate, m / (sqrt(v * unbias) + epsilon), p * keep);
  }
}

#endif

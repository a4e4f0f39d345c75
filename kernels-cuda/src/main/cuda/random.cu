// Numbers from nothing but their position: Philox4x32-10, see Philox.java, and counts.
#include "quads.cuh"

// The four words of the block with this counter.
__device__ inline void philox(u64 seed, u64 counter, u32 (&words)[4]) {
  u32 c0 = (u32)counter;
  u32 c1 = (u32)(counter >> 32);
  u32 c2 = 0;
  u32 c3 = 0;
  u32 k0 = (u32)seed;
  u32 k1 = (u32)(seed >> 32);
#pragma unroll
  for (int round = 0; round < 10; round++) {
    u64 p0 = (u64)0xd2511f53u * c0;
    u64 p1 = (u64)0xcd9e8d57u * c2;
    c0 = (u32)(p1 >> 32) ^ c1 ^ k0;
    c1 = (u32)p1;
    c2 = (u32)(p0 >> 32) ^ c3 ^ k1;
    c3 = (u32)p0;
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

// Calls make with the place of each quad of this thread, and with its words; they have one key: the
// seed and the first counter.
template <typename Make>
__device__ inline void for_quads(const i64* key, i64 count, Make make) {
  u64 seed = (u64)key[0];
  u64 counter = (u64)key[1];
  i64 blocks = (count + 3) / 4;
#pragma unroll 1
  for (i64 block = thread_index(); block < blocks; block += gridDim.x * blockDim.x) {
    u32 words[4];
    philox(seed, counter + block, words);
    make(4 * block, words);
  }
}

KERNEL random_uniform_f32(float* to, const i64* key, i64 count) {
  for_quads(key, count, [&](i64 at, const u32 (&words)[4]) {
    float values[4];
#pragma unroll
    for (int k = 0; k < 4; k++) {
      values[k] = (float)(words[k] >> 8) * 0x1p-24f;
    }
    store_quad(to, values, at, count, are_aligned((u64)to));
  });
}

// Where instructions take constants from without another that moves them.
__constant__ double LOG[] = {
    0x1.2b58f4c8d5f63p-32, 0x1.39fe52a20dc69p-28, 0x1.7462b5152e8a6p-24, 0x1.c71c62e40b94ep-20,
    0x1.2492492df26cep-15, 0x1.99999999952d8p-11, 0x1.5555555555558p-6};
__constant__ double SINE[] = {
    0x1.5e0b09aba9d7fp-33, -0x1.ae600ad575592p-26, 0x1.71de37965ea29p-19, -0x1.a01a019e83896p-13,
    0x1.1111111110bb2p-7, -0x1.5555555555555p-3};
__constant__ double COSINE[] = {
    -0x1.907d9316a965fp-37, 0x1.1eeb68d2958ddp-29, -0x1.27e4fa17c44e0p-22, 0x1.a01a019f4e9f4p-16,
    -0x1.6c16c16c16967p-10, 0x1.5555555555555p-5};
// -2 log(2), pi / 2 for 2^22, -pi / 2 and what it lacks.
__constant__ double FACTORS[] = {
    -0x1.62e42fefa39efp0, 0x1.921fb54442d18p-22, -0x1.921fb54442d18p0, -0x1.1a62633145c07p-54};

template <int N>
__device__ inline double polynomial(const double (&factors)[N], double z) {
  double p = factors[0];
#pragma unroll
  for (int i = 1; i < N; i++) {
    p = fma(p, z, factors[i]);
  }
  return p;
}

// n - less: the instructions that convert are slow.
__device__ inline double widened(u32 n, int less = 0) {
  return __longlong_as_double(0x4330000000000000 | n) - (0x1p52 + less);
}

#ifdef __CUDACC__
// Some 20 bits of 1 / x and of 1 / sqrt(x), for x that is not tiny.
__device__ inline float rough_inverse(float x) {
  float inverse;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(x));
  return inverse;
}

__device__ inline double rough_inverse_root(double x) {
  double inverse;
  asm("rsqrt.approx.ftz.f64 %0, %1;" : "=d"(inverse) : "d"(x));
  return inverse;
}
#endif

// sqrt(-2 log(n / 2^24)) for 1 <= n <= 2^24, and -0 for the last: n is m 2^e, m around 1, and log(m)
// is 2 artanh((m - 1) / (m + 1)).
__device__ inline double radius(u32 n) {
  u32 bits = (u32)__float_as_int((float)n) - 0x3f3504f3;
  float m = __int_as_float((int)((bits & 0x7fffff) + 0x3f3504f3));
  double wide = m;
  double sum = wide + 1;
  double inverse = -rough_inverse(m + 1.0f);
  double error = fma(sum, inverse, 1.0);
  inverse = fma(fma(error, error, error), inverse, inverse);
  double t = fma(wide, 4.0, -4.0) * inverse;
  double z = t * t;
  double p = polynomial(LOG, z);
  double square = fma(widened(bits >> 23, 24), FACTORS[0], fma(t * z, p, t));
  // What the rough root lacks is a power series of `lacking`, whose third power is beyond a double.
  double scale = n == 1 << 24 ? 0 : rough_inverse_root(square);
  double root = square * scale;
  double lacking = fma(-root, scale, 1.0);
  return fma(root, lacking * fma(lacking, 0.375, 0.5), root);
}

__device__ inline float with_sign(float x, u32 negative) {
  return __int_as_float(__float_as_int(x) ^ (int)(negative << 31));
}

// Box and Muller 1958, in doubles: the floats are those of strict arithmetic but where that lies
// within some 2^-51 of the middle of two floats. The angle is rounded before it is reduced to a
// quarter of a turn, whose sine and cosine have |x| <= pi / 4 and a bit.
__device__ inline void two_normals(float* values, u32 first, u32 second) {
  double r = radius((first >> 8) + 1);
  u32 turn = second >> 8;
  u32 quarters = (turn + (1 << 21)) >> 22;
  double angle = widened(turn) * FACTORS[1];
  double wide = widened(quarters);
  double x = fma(wide, FACTORS[3], fma(wide, FACTORS[2], angle));
  double z = x * x;
  float s = (float)(r * fma(x * z, polynomial(SINE, z), x));
  float c = (float)(r * fma(fma(polynomial(COSINE, z), z, -0.5), z, 1.0));
  bool swapped = quarters & 1;
  values[0] = with_sign(swapped ? s : c, (quarters + 1) >> 1);
  values[1] = with_sign(swapped ? c : s, quarters >> 1);
}

KERNEL random_normal_f32(float* to, const i64* key, i64 count) {
  for_quads(key, count, [&](i64 at, const u32 (&words)[4]) {
    float values[4];
    two_normals(values, words[0], words[1]);
    two_normals(values + 2, words[2], words[3]);
    store_quad(to, values, at, count, are_aligned((u64)to));
  });
}

template <typename T>
__device__ inline void iota(T* to, i64 count) {
  i64 index = thread_index();
  if (index < count) {
    to[index] = (T)index;
  }
}

KERNEL iota_f32(float* to, i64 count) {
  iota(to, count);
}

KERNEL iota_i64(i64* to, i64 count) {
  iota(to, count);
}

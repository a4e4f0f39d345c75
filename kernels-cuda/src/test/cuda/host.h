// CUDA C++ on the host: each thread of a block is a fiber, and barriers switch between them. The
// threads of a block run in turn, so that races stay unseen, but indices and arithmetic are tested.
#pragma once
#include <cstring>
#include <math.h>

#define __global__
#define __device__
#define __shared__ static
#define __constant__ static const
#define __launch_bounds__(...)
#define __grid_constant__

struct Dim3 {
  unsigned x, y, z;
};

struct alignas(8) float2 {
  float x, y;
};

struct alignas(16) float4 {
  float x, y, z, w;
};

extern Dim3 threadIdx, blockIdx, blockDim, gridDim;

// Waits for all threads of the block.
void __syncthreads();

// The tensor cores' product of mma.cuh, by all 32 lanes. The eight products are summed up exactly.
void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]);

// Those of matmul_bytes_ampere.cu.
void mma_bytes(unsigned (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]);
void load_chunks(unsigned (&words)[4], const unsigned* from);

// The copies of async.cuh, which are made when they are awaited; until then there is NaN.
void copy_async(float* to, const float* from, int count, bool present);
void commit_copies();
void await_copies(int groups);

template <int BYTES>
inline void copy_async(float* to, const float* from, bool present) {
  copy_async(to, from, BYTES / 4, present);
}

template <int GROUPS = 0>
inline void await_copies() {
  await_copies(GROUPS);
}

// The value of the lane whose number differs in the bits of mask; all 32 lanes take part.
float __shfl_xor_sync(unsigned lanes, float value, int mask);
unsigned __shfl_xor_sync(unsigned lanes, unsigned value, int mask);
unsigned long long __shfl_xor_sync(unsigned lanes, unsigned long long value, int mask);

// The value of another lane, of the one so many before or of this where there is none.
float __shfl_sync(unsigned lanes, float value, int lane);
float __shfl_up_sync(unsigned lanes, float value, unsigned distance);

// All 32 lanes take part.
inline void __syncwarp() {
  __shfl_xor_sync(0xffffffff, 0u, 0);
}

// Whether the condition holds for any thread of the block.
int __syncthreads_or(int condition);

inline unsigned atomicAdd(unsigned* sum, unsigned value) {
  unsigned before = *sum;
  *sum += value;
  return before;
}

// Shared memory that the launch sizes.
extern char dynamic_shared[];

inline int __float_as_int(float x) {
  int bits;
  memcpy(&bits, &x, 4);
  return bits;
}

inline float __int_as_float(int bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

inline int __clz(int x) {
  return x == 0 ? 32 : __builtin_clz(x);
}

inline double __longlong_as_double(long long bits) {
  double x;
  memcpy(&x, &bits, 8);
  return x;
}

// The instructions of random.cu that give some 20 bits.
inline float rough_inverse(float x) {
  return 1 / x;
}

inline double rough_inverse_root(double x) {
  return (float)(1 / sqrt(x));
}

inline float __fdividef(float x, float y) {
  return x / y;
}

inline unsigned __umulhi(unsigned x, unsigned y) {
  return (unsigned)((unsigned long long)x * y >> 32);
}

// c + the products of four signed bytes.
inline int __dp4a(int a, int b, int c) {
  unsigned sum = (unsigned)c;
  for (int i = 0; i < 32; i += 8) {
    sum += (unsigned)((signed char)(a >> i) * (signed char)(b >> i));
  }
  return (int)sum;
}

// Four of eight bytes, of which each digit of the selector names one.
inline unsigned __byte_perm(unsigned low, unsigned high, unsigned selector) {
  unsigned long long bytes = (unsigned long long)high << 32 | low;
  unsigned found = 0;
  for (int i = 0; i < 4; i++) {
    found |= (unsigned)(bytes >> (selector >> 4 * i & 7) * 8 & 0xff) << 8 * i;
  }
  return found;
}

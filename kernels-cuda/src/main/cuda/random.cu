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

// key: seed, first counter
KERNEL random_uniform_f32(float* to, const i64* key, i64 count) {
  i64 block = thread_index();
  if (4 * block >= count) {
    return;
  }
  u32 words[4];
  philox((u64)key[0], (u64)(key[1] + block), words);
  float values[4];
#pragma unroll
  for (int k = 0; k < 4; k++) {
    values[k] = (float)(words[k] >> 8) * 0x1p-24f;
  }
  store_quad(to, values, 4 * block, count, are_aligned((u64)to));
}

// Box and Muller 1958, in doubles: the floats are those of strict arithmetic but where that lies
// within some 2^-52 of the middle of two floats.
KERNEL random_normal_f32(float* to, const i64* key, i64 count) {
  i64 block = thread_index();
  if (4 * block >= count) {
    return;
  }
  u32 words[4];
  philox((u64)key[0], (u64)(key[1] + block), words);
  float values[4];
#pragma unroll
  for (int k = 0; k < 4; k += 2) {
    double radius = sqrt(-2 * log(((words[k] >> 8) + 1) * 0x1p-24));
    double angle = 0x1.921fb54442d18p2 * ((words[k + 1] >> 8) * 0x1p-24);
    values[k] = (float)(radius * cos(angle));
    values[k + 1] = (float)(radius * sin(angle));
  }
  store_quad(to, values, 4 * block, count, are_aligned((u64)to));
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

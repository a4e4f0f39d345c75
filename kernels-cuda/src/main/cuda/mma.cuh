// Products of F32 on the tensor cores of compute capability 8.0 and later, which take factors of 11
// bits: each factor is the sum of two such, and three of the four products are summed up.
#pragma once
#include "quern.cuh"

#ifdef __CUDACC__ // tests have another
// d += a b for 16 x 8 and 8 x 8 elements of the TF32 format by a warp. With g = lane / 4 and
// t = lane % 4 a thread has of a: (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4), of b: (t, g),
// (t + 4, g), of d: (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1).
__device__ inline void mma_tf32(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32"
      " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif

namespace tf32 {

// A float as the sum of two of 11 bits, but for an error of its last bit. The low part of an infinite
// one is NaN, and with it all products.
struct Split {
  u32 high, low; // of low the tensor cores read the first 11 bits
};

__device__ inline Split split(float x) {
  u32 high = ((u32)__float_as_int(x) + 0x1000) & ~0x1fff;
  return {high, (u32)__float_as_int(x - __int_as_float((int)high))};
}

// d += a b for tiles that lie in the threads of a warp as for mma_tf32. Tensor cores round sums
// towards 0; so that this does not add up, they sum up eight products only.
__device__ inline void multiply_add(float (&d)[4], const Split (&a)[4], const Split (&b)[2]) {
  float sum[4] = {0, 0, 0, 0};
  mma_tf32(sum, {a[0].low, a[1].low, a[2].low, a[3].low}, {b[0].high, b[1].high});
  mma_tf32(sum, {a[0].high, a[1].high, a[2].high, a[3].high}, {b[0].low, b[1].low});
  mma_tf32(sum, {a[0].high, a[1].high, a[2].high, a[3].high}, {b[0].high, b[1].high});
#pragma unroll
  for (int i = 0; i < 4; i++) {
    d[i] += sum[i];
  }
}

}  // namespace tf32

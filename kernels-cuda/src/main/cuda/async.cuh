// Copies from global to shared memory that a thread of compute capability 8.0 and later begins, and
// waits for afterwards.
#pragma once
#include "quern.cuh"

#ifdef __CUDACC__ // tests have others
// Shared memory that the launch sizes.
alignas(16) extern __shared__ char dynamic_shared[];

// Copies BYTES: 4, or 16 at multiples of 16; zeros unless there are such.
template <int BYTES>
__device__ inline void copy_async(float* to, const float* from, bool present) {
  u32 shared = (u32)__cvta_generic_to_shared(to);
  int read = present ? BYTES : 0;
  if (BYTES == 16) { // past the first cache, which takes all sizes otherwise
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(from), "r"(read)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared), "l"(from), "r"(read)
                 : "memory");
  }
}

// Makes a group of this thread's copies since the last one.
__device__ inline void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

// Waits for this thread's groups but the last GROUPS. Others see them after a barrier.
template <int GROUPS = 0>
__device__ inline void await_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(GROUPS) : "memory");
}
#endif

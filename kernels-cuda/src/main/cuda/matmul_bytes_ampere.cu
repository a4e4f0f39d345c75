// Products of matrices of bytes on the tensor cores of compute capability 8.0 and later.
#include "bytes.cuh"

#ifdef __CUDACC__ // tests have another
// d += a b for 16 x 32 and 32 x 8 signed bytes by a warp. With g = lane / 4 and t = lane % 4 a thread
// has of a: four bytes from (g, 4t), (g + 8, 4t), (g, 4t + 16), (g + 8, 4t + 16), of b: from (4t, g),
// (4t + 16, g), of d: (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1).
__device__ inline void mma_bytes(u32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32"
      " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Four times eight chunks from shared memory by a warp, of which a lane gives one's place: lane l
// those of chunk l % 8 of l / 8. A lane gets of each eight word lane % 4 of chunk lane / 4.
__device__ inline void load_chunks(u32 (&words)[4], const u32* from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"((u32)__cvta_generic_to_shared(from))
               : "memory");
}
#endif

template <int TILE>
__device__ inline void bytes::add_tile(
    Sums<TILE>& sums, const u32* a, const u32* b, int row, int column) {
  int line = threadIdx.x % 8;
  int low = threadIdx.x / 8 % 2;
  int high = threadIdx.x / 16 % 2;
#pragma unroll
  for (int chunk = 0; chunk < Slabs<TILE>::CHUNKS; chunk += 2) {
    u32 rows[sums.ROWS / 2][4];
#pragma unroll
    for (int i = 0; i < sums.ROWS / 2; i++) {
      load_chunks(rows[i], &a[Slabs<TILE>::at(row + 16 * i + 8 * low + line, chunk + high)]);
    }
#pragma unroll
    for (int j = 0; j < sums.PAIRS; j += 2) {
      u32 columns[4];
      load_chunks(columns, &b[Slabs<TILE>::at(column + 8 * j + 8 * high + line, chunk + low)]);
#pragma unroll
      for (int i = 0; i < sums.ROWS / 2; i++) {
        mma_bytes(sums.sums[i][j], rows[i], {columns[0], columns[1]});
        mma_bytes(sums.sums[i][j + 1], rows[i], {columns[2], columns[3]});
      }
    }
  }
}

BYTES_KERNELS

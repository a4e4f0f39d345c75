// The instructions of compute capability 9.0 that have no C++: barriers that count bytes, copies of
// tiles, and products of tiles in shared memory by a group of four warps.
#pragma once
#include "quads.cuh"

// What the driver makes of an array in memory for copies of its tiles.
struct alignas(64) TileMap {
  u64 words[16];
};

#ifdef __CUDACC__ // tests have others
// Shared memory that the launch sizes, from a multiple of 1024 on, as swizzled tiles want it.
__device__ inline char* tiles_memory() {
  extern __shared__ char dynamic[];
  return (char*)(((u64)dynamic + 1023) / 1024 * 1024);
}

__device__ inline u32 shared_address(const void* pointer) {
  return (u32)__cvta_generic_to_shared(pointer);
}

__device__ inline void barrier_init(u64* barrier, u32 arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals));
}

// Lets all of the cluster, and copies, see barriers that this thread has initialised.
__device__ inline void publish_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ inline void barrier_arrive(u64* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}

// Arrives, and lets the phase end only when so many bytes have been copied as well.
__device__ inline void barrier_expect(u64* barrier, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)),
               "r"(bytes)
               : "memory");
}

// Waits for the end of the phase with this parity.
__device__ inline void barrier_wait(u64* barrier, u32 parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "AGAIN:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra AGAIN;\n"
      "}\n" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
}

// Number of this block among the blocks of its cluster.
__device__ inline u32 cluster_rank() {
  u32 rank;
  asm volatile("mov.u32 %0, %cluster_ctarank;" : "=r"(rank));
  return rank;
}

__device__ inline void cluster_sync() {
  asm volatile(
      "barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
}

// Arrives at the barrier of a block of the cluster that lies where this block's does.
__device__ inline void barrier_arrive_at(u64* barrier, u32 rank) {
  asm volatile(
      "{\n"
      ".reg .b32 there;\n"
      "mapa.shared::cluster.u32 there, %0, %1;\n"
      "mbarrier.arrive.shared::cluster.b64 _, [there];\n"
      "}\n" ::"r"(shared_address(barrier)),
      "r"(rank)
      : "memory");
}

// Copies a tile, which starts at element (x, y) of matrix z, and counts its bytes at the barrier.
__device__ inline void copy_tile(
    void* to, const TileMap* map, u64* barrier, int x, int y, int z) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%3, %4, %5, 0}], [%2];" ::"r"(shared_address(to)),
      "l"((u64)map), "r"(shared_address(barrier)), "r"(x), "r"(y), "r"(z)
      : "memory");
}

// As copy_tile, of a matrix of one of several batches.
__device__ inline void copy_tile(
    void* to, const TileMap* map, u64* barrier, int x, int y, int z, int batch) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(shared_address(to)),
      "l"((u64)map), "r"(shared_address(barrier)), "r"(x), "r"(y), "r"(z), "r"(batch)
      : "memory");
}

// As copy_tile, to the same place in each block of the cluster whose bit is set.
__device__ inline void copy_tile_to_all(
    void* to, const TileMap* map, u64* barrier, int x, int y, int z, unsigned short blocks) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes"
      ".multicast::cluster [%0], [%1, {%3, %4, %5, 0}], [%2], %6;" ::"r"(shared_address(to)),
      "l"((u64)map), "r"(shared_address(barrier)), "r"(x), "r"(y), "r"(z), "h"(blocks)
      : "memory");
}

// Copies bytes, a multiple of 16 at addresses of such multiples, and counts them at the barrier.
__device__ inline void copy_bytes(void* to, const void* from, u32 bytes, u64* barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
          shared_address(to)),
      "l"(from), "r"(bytes), "r"(shared_address(barrier))
      : "memory");
}

// Copies a tile from shared memory; what lies beyond the matrix is left out.
__device__ inline void store_tile(const TileMap* map, const void* from, int x, int y, int z) {
  asm volatile(
      "cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [%0, {%2, %3, %4, 0}], [%1];"
      "cp.async.bulk.commit_group;" ::"l"((u64)map),
      "r"(shared_address(from)), "r"(x), "r"(y), "r"(z)
      : "memory");
}

// As store_tile, to a matrix of one of several batches.
__device__ inline void store_tile(
    const TileMap* map, const void* from, int x, int y, int z, int batch) {
  asm volatile(
      "cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [%0, {%2, %3, %4, %5}], [%1];"
      "cp.async.bulk.commit_group;" ::"l"((u64)map),
      "r"(shared_address(from)), "r"(x), "r"(y), "r"(z), "r"(batch)
      : "memory");
}

// Waits until all but the last so many tiles of this thread have been read from shared memory.
template <int PENDING>
__device__ inline void stores_wait_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(PENDING) : "memory");
}

// Lets copies of tiles see what this thread has written to shared memory.
__device__ inline void publish_shared() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// Waits for the other threads of a group of four warps.
__device__ inline void group_sync(int name) {
  asm volatile("bar.sync %0, 128;" ::"r"(name) : "memory");
}

// Waits for two groups of warps, of which the other may say so by pair_arrive.
__device__ inline void pair_sync(int name) {
  asm volatile("bar.sync %0, 256;" ::"r"(name) : "memory");
}

__device__ inline void pair_arrive(int name) {
  asm volatile("bar.arrive %0, 256;" ::"r"(name) : "memory");
}

__device__ inline void products_begin() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

__device__ inline void products_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

// Waits until all but the last so many groups of products are done.
template <int PENDING>
__device__ inline void products_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
}

template <int REGISTERS>
__device__ inline void registers_release() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

template <int REGISTERS>
__device__ inline void registers_acquire() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

// Keeps the compiler from using sums before the wait that comes before this.
template <int N>
__device__ inline void settle(float (&sums)[N]) {
#pragma unroll
  for (int i = 0; i < N; i++) {
    asm volatile("" : "+f"(sums[i])::"memory");
  }
}

// The registers of sums, as operands and in the text.
#define SUMS_8(d, i)                                                                               \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]),      \
      "+f"(d[i + 6]), "+f"(d[i + 7])
#define SUMS_32(d, i) SUMS_8(d, i), SUMS_8(d, i + 8), SUMS_8(d, i + 16), SUMS_8(d, i + 24)
#define SUMS_64(d, i) SUMS_32(d, i), SUMS_32(d, i + 32)
#define SUMS_128(d, i) SUMS_64(d, i), SUMS_64(d, i + 64)
#define TEXT_32                                                                                    \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, " \
  "%21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define TEXT_64                                                                                    \
  TEXT_32                                                                                          \
  ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, "   \
  "%50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define TEXT_128                                                                                   \
  TEXT_64                                                                                          \
  ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, "   \
  "%82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, %96, %97, %98, %99, "     \
  "%100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, %112, %113, %114, "     \
  "%115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"

// d = a * b + (accumulate ? d : 0), 64 rows by so many columns by 16, of operands in shared memory;
// ALONG says whether the rows of an operand's tile run along the sum (0) or across it (1).
#define PRODUCT(COLUMNS, COUNT, TYPE, A, B, P, A_TURN, B_TURN)                                     \
  template <int A_ALONG, int B_ALONG>                                                              \
  __device__ inline void product_64_16_##TYPE(                                                     \
      float (&d)[COUNT], u64 a, u64 b, int accumulate) {                                           \
    asm volatile(                                                                                  \
        "{\n"                                                                                      \
        ".reg .pred p;\n"                                                                          \
        "setp.ne.b32 p, %" P ", 0;\n"                                                              \
        "wgmma.mma_async.sync.aligned.m64n" #COLUMNS "k16.f32." #TYPE "." #TYPE " {" TEXT_##COUNT  \
        "}, %" A ", %" B ", p, 1, 1, %" A_TURN ", %" B_TURN ";\n"                                  \
        "}\n"                                                                                      \
        : SUMS_##COUNT(d, 0)                                                                       \
        : "l"(a), "l"(b), "r"(accumulate), "n"(A_ALONG), "n"(B_ALONG));                            \
  }

PRODUCT(256, 128, bf16, "128", "129", "130", "131", "132")
PRODUCT(256, 128, f16, "128", "129", "130", "131", "132")
PRODUCT(128, 64, bf16, "64", "65", "66", "67", "68")
PRODUCT(128, 64, f16, "64", "65", "66", "67", "68")
PRODUCT(64, 32, bf16, "32", "33", "34", "35", "36")
PRODUCT(64, 32, f16, "32", "33", "34", "35", "36")

// d += a * b, 64 rows by so many columns by 16, for a in registers, pairs of neighbours along the sum,
// and b in shared memory, whose rows run across it. Of each 8 by 8 elements of a, a thread has the pair
// `lane % 4` of row `lane / 4`; the four quarters are upper left, lower left, upper right, lower right.
#define PRODUCT_OF_PAIRS(COLUMNS, COUNT, TYPE, A0, A1, A2, A3, B)                                  \
  __device__ inline void add_product_64_16_##TYPE(                                                 \
      float (&d)[COUNT], u32 a0, u32 a1, u32 a2, u32 a3, u64 b) {                                  \
    asm volatile(                                                                                  \
        "wgmma.mma_async.sync.aligned.m64n" #COLUMNS "k16.f32." #TYPE "." #TYPE " {" TEXT_##COUNT  \
        "}, {%" A0 ", %" A1 ", %" A2 ", %" A3 "}, %" B ", 1, 1, 1, 1;"                             \
        : SUMS_##COUNT(d, 0)                                                                       \
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(b));                                             \
  }

PRODUCT_OF_PAIRS(64, 32, bf16, "32", "33", "34", "35", "36")
PRODUCT_OF_PAIRS(64, 32, f16, "32", "33", "34", "35", "36")
PRODUCT_OF_PAIRS(128, 64, bf16, "64", "65", "66", "67", "68")
PRODUCT_OF_PAIRS(128, 64, f16, "64", "65", "66", "67", "68")
#endif

// Describes an operand in shared memory whose rows of 128 bytes are swizzled.
//
// leading: bytes between groups of 64 elements along the rows, where the operand has several
// stride: bytes between groups of 8 rows
__device__ inline u64 tile_descriptor(const void* tile, u32 leading, u32 stride) {
  const u64 SWIZZLE_128 = 1ULL << 62;
  return (u64)((shared_address(tile) & 0x3ffff) >> 4) | (u64)(leading >> 4) << 16 |
         (u64)(stride >> 4) << 32 | SWIZZLE_128;
}

template <bool BF16>
__device__ inline u32 pair(float low, float high) {
  return BF16 ? pair_bf16(low, high) : pair_f16(low, high);
}

// The instructions of compute capability 9.0 that have no C++: barriers that count bytes, copies of
// tiles, and products of tiles in shared memory by a group of four warps.
#pragma once
#include "quern.cuh"

// What the driver makes of an array in memory for copies of its tiles.
struct alignas(64) TileMap {
  u64 words[16];
};

__device__ inline u32 shared_address(const void* pointer) {
  return (u32)__cvta_generic_to_shared(pointer);
}

__device__ inline void barrier_init(u64* barrier, u32 arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals));
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
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%3, %4, %5}], [%2];" ::"r"(shared_address(to)),
      "l"((u64)map), "r"(shared_address(barrier)), "r"(x), "r"(y), "r"(z)
      : "memory");
}

// As copy_tile, to the same place in each block of the cluster whose bit is set.
__device__ inline void copy_tile_to_all(
    void* to, const TileMap* map, u64* barrier, int x, int y, int z, unsigned short blocks) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes"
      ".multicast::cluster [%0], [%1, {%3, %4, %5}], [%2], %6;" ::"r"(shared_address(to)),
      "l"((u64)map), "r"(shared_address(barrier)), "r"(x), "r"(y), "r"(z), "h"(blocks)
      : "memory");
}

// Copies a tile from shared memory; what lies beyond the matrix is left out.
__device__ inline void store_tile(const TileMap* map, const void* from, int x, int y, int z) {
  asm volatile(
      "cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%0, {%2, %3, %4}], [%1];"
      "cp.async.bulk.commit_group;" ::"l"((u64)map),
      "r"(shared_address(from)), "r"(x), "r"(y), "r"(z)
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

// Describes an operand in shared memory whose rows of 128 bytes are swizzled.
//
// leading: bytes between groups of 64 elements along the rows, where the operand has several
// stride: bytes between groups of 8 rows
__device__ inline u64 tile_descriptor(const void* tile, u32 leading, u32 stride) {
  const u64 SWIZZLE_128 = 1ULL << 62;
  return (u64)((shared_address(tile) & 0x3ffff) >> 4) | (u64)(leading >> 4) << 16 |
         (u64)(stride >> 4) << 32 | SWIZZLE_128;
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

// Two neighbours in memory.
__device__ inline u32 pair_bf16(float low, float high) {
  u32 pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

__device__ inline u32 pair_f16(float low, float high) {
  u32 pair;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

// d = a * b + (accumulate ? d : 0), 64 rows by 256 columns by 16; ALONG says whether the rows of an
// operand's tile run along the sum (0) or across it (1).
#define PRODUCT_64_256_16(TYPE)                                                                    \
  template <int A_ALONG, int B_ALONG>                                                              \
  __device__ inline void product_64_256_16_##TYPE(float (&d)[128], u64 a, u64 b, int accumulate) { \
    asm volatile(                                                                                  \
        "{\n"                                                                                      \
        ".reg .pred p;\n"                                                                          \
        "setp.ne.b32 p, %130, 0;\n"                                                                \
        "wgmma.mma_async.sync.aligned.m64n256k16.f32." #TYPE "." #TYPE " {"                        \
        "%0, %1, %2, %3, %4, %5, %6, %7, "                                                         \
        "%8, %9, %10, %11, %12, %13, %14, %15, "                                                   \
        "%16, %17, %18, %19, %20, %21, %22, %23, "                                                 \
        "%24, %25, %26, %27, %28, %29, %30, %31, "                                                 \
        "%32, %33, %34, %35, %36, %37, %38, %39, "                                                 \
        "%40, %41, %42, %43, %44, %45, %46, %47, "                                                 \
        "%48, %49, %50, %51, %52, %53, %54, %55, "                                                 \
        "%56, %57, %58, %59, %60, %61, %62, %63, "                                                 \
        "%64, %65, %66, %67, %68, %69, %70, %71, "                                                 \
        "%72, %73, %74, %75, %76, %77, %78, %79, "                                                 \
        "%80, %81, %82, %83, %84, %85, %86, %87, "                                                 \
        "%88, %89, %90, %91, %92, %93, %94, %95, "                                                 \
        "%96, %97, %98, %99, %100, %101, %102, %103, "                                             \
        "%104, %105, %106, %107, %108, %109, %110, %111, "                                         \
        "%112, %113, %114, %115, %116, %117, %118, %119, "                                         \
        "%120, %121, %122, %123, %124, %125, %126, %127}, "                                        \
        "%128, %129, p, 1, 1, %131, %132;\n"                                                       \
        "}\n"                                                                                      \
        :                                                                                          \
          "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]),                                          \
          "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),                                          \
          "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]),                                        \
          "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),                                      \
          "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]),                                      \
          "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),                                      \
          "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]),                                      \
          "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]),                                      \
          "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]),                                      \
          "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]),                                      \
          "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]),                                      \
          "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]),                                      \
          "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]),                                      \
          "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]),                                      \
          "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]),                                      \
          "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63]),                                      \
          "+f"(d[64]), "+f"(d[65]), "+f"(d[66]), "+f"(d[67]),                                      \
          "+f"(d[68]), "+f"(d[69]), "+f"(d[70]), "+f"(d[71]),                                      \
          "+f"(d[72]), "+f"(d[73]), "+f"(d[74]), "+f"(d[75]),                                      \
          "+f"(d[76]), "+f"(d[77]), "+f"(d[78]), "+f"(d[79]),                                      \
          "+f"(d[80]), "+f"(d[81]), "+f"(d[82]), "+f"(d[83]),                                      \
          "+f"(d[84]), "+f"(d[85]), "+f"(d[86]), "+f"(d[87]),                                      \
          "+f"(d[88]), "+f"(d[89]), "+f"(d[90]), "+f"(d[91]),                                      \
          "+f"(d[92]), "+f"(d[93]), "+f"(d[94]), "+f"(d[95]),                                      \
          "+f"(d[96]), "+f"(d[97]), "+f"(d[98]), "+f"(d[99]),                                      \
          "+f"(d[100]), "+f"(d[101]), "+f"(d[102]), "+f"(d[103]),                                  \
          "+f"(d[104]), "+f"(d[105]), "+f"(d[106]), "+f"(d[107]),                                  \
          "+f"(d[108]), "+f"(d[109]), "+f"(d[110]), "+f"(d[111]),                                  \
          "+f"(d[112]), "+f"(d[113]), "+f"(d[114]), "+f"(d[115]),                                  \
          "+f"(d[116]), "+f"(d[117]), "+f"(d[118]), "+f"(d[119]),                                  \
          "+f"(d[120]), "+f"(d[121]), "+f"(d[122]), "+f"(d[123]),                                  \
          "+f"(d[124]), "+f"(d[125]), "+f"(d[126]), "+f"(d[127])                                   \
        : "l"(a), "l"(b), "r"(accumulate), "n"(A_ALONG), "n"(B_ALONG));                            \
  }

PRODUCT_64_256_16(bf16)
PRODUCT_64_256_16(f16)

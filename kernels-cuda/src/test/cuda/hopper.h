// What hopper.cuh has for compute capability 9.0, for files *_hopper.cu on the host. Copies of tiles are made,
// and products computed, when they are awaited; until then there is NaN where copies go.
#pragma once
#include "host.h"

struct TileMap;

// As the driver encodes a map: see TileMap.java.
struct TileLayout {
  unsigned long long address;
  unsigned long long dims[4];
  unsigned long long strides[3]; // bytes
  unsigned long long box[2];     // elements of a row, and rows
};

char* tiles_memory();
unsigned shared_address(const void* pointer);

void barrier_init(unsigned long long* barrier, unsigned arrivals);
void barrier_arrive(unsigned long long* barrier);
void barrier_expect(unsigned long long* barrier, unsigned bytes);
void barrier_wait(unsigned long long* barrier, unsigned parity);
inline void publish_barriers() {}

void copy_tile(
    void* to, const TileMap* map, unsigned long long* barrier, int x, int y, int z, int batch);
void copy_bytes(void* to, const void* from, unsigned bytes, unsigned long long* barrier);
void store_tile(const TileMap* map, const void* from, int x, int y, int z, int batch);
void stores_wait_read(int pending);
template <int PENDING>
inline void stores_wait_read() {
  stores_wait_read(PENDING);
}
inline void publish_shared() {}

void named_sync(int name, unsigned threads);
void named_arrive(int name, unsigned threads);
inline void group_sync(int name) {
  named_sync(name, 128);
}
inline void pair_sync(int name) {
  named_sync(name, 256);
}
inline void pair_arrive(int name) {
  named_arrive(name, 256);
}

template <int REGISTERS>
inline void registers_release() {}
template <int REGISTERS>
inline void registers_acquire() {}

unsigned pair_bf16(float low, float high);
unsigned pair_f16(float low, float high);

// Products of 64 rows and some columns by 16, of which d has this thread's.
void begin_product(
    float* d, int count, bool bf16, unsigned long long a, unsigned long long b, int accumulate,
    int a_along, int b_along);
void begin_product_of_pairs(
    float* d, int count, bool bf16, const unsigned (&a)[4], unsigned long long b);
inline void products_begin() {}
void products_commit();
void products_wait(int pending);
template <int PENDING>
inline void products_wait() {
  products_wait(PENDING);
}
template <int N>
inline void settle(float (&)[N]) {}

#define PRODUCTS(TYPE, BF16)                                                                       \
  template <int A_ALONG, int B_ALONG, int N>                                                       \
  inline void product_64_16_##TYPE(                                                                \
      float (&d)[N], unsigned long long a, unsigned long long b, int accumulate) {                 \
    begin_product(d, N, BF16, a, b, accumulate, A_ALONG, B_ALONG);                                 \
  }                                                                                                \
  template <int N>                                                                                 \
  inline void add_product_64_16_##TYPE(                                                            \
      float (&d)[N], unsigned a0, unsigned a1, unsigned a2, unsigned a3, unsigned long long b) {   \
    begin_product_of_pairs(d, N, BF16, {a0, a1, a2, a3}, b);                                       \
  }

PRODUCTS(bf16, true)
PRODUCTS(f16, false)
#undef PRODUCTS

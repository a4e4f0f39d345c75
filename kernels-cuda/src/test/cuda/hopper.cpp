// Barriers that count bytes, copies of tiles, and products of tiles, see hopper.h.
#include "hopper.h"
#include "fibers.h"
#include <cstdio>
#include <cstdlib>
#include <map>
#include <vector>

#include "quern.cuh"

namespace {

struct Barrier {
  unsigned expected, pending;
  long long bytes; // yet to be copied
  unsigned phase;
  bool awaited; // in this round of all threads
};

struct TileCopy {
  char* to;
  TileLayout map; // no dims for bytes in a row
  const char* from;
  u32 bytes;
  int at[4];
  u64* barrier;
};

struct TileStore {
  TileLayout map;
  const char* from;
  int at[4];
};

struct Product {
  float* d;
  int count;
  bool bf16;
  bool pairs; // whether a is in registers
  float a[2][16];
  u64 a_tile, b_tile;
  int accumulate, a_along, b_along;
  int group;
};

struct Named {
  unsigned arrived, generation;
};

std::map<const void*, Barrier> barriers;
Named names[16];
std::vector<TileCopy> under_way;
std::vector<TileStore> stores[1024]; // of each thread
std::vector<Product> products[1024];
int groups[1024];

void complete(Barrier& barrier) {
  progress++;
  if (barrier.pending == 0 && barrier.bytes == 0) {
    barrier.phase ^= 1;
    barrier.pending = barrier.expected;
  }
}

// Bits 4 to 6 of an address are changed by those above them.
u32 swizzled(u32 address) {
  return address ^ (address >> 7 & 7) << 4;
}

char* shared(u32 address) {
  return dynamic_shared + swizzled(address);
}

float decoded(const char* element, bool bf16) {
  unsigned short bits;
  memcpy(&bits, element, 2);
  return bf16 ? from_bf16(bits) : from_f16(bits);
}

// Calls f(address in shared memory, address in global memory or null) for all elements of a tile.
template <typename F>
void each_element(const TileLayout& map, u32 tile, const int (&at)[4], F f) {
  for (u32 row = 0; row < map.box[1]; row++) {
    for (u32 column = 0; column < map.box[0]; column++) {
      u64 place[4] = {(u64)(at[0] + (int)column), (u64)(at[1] + (int)row), (u64)at[2], (u64)at[3]};
      bool inside = true;
      u64 address = map.address + 2 * place[0];
      for (int i = 0; i < 4; i++) {
        inside &= place[i] < map.dims[i];
        address += i == 0 ? 0 : place[i] * map.strides[i - 1];
      }
      f(shared(tile + row * 128 + 2 * column), inside ? (char*)address : nullptr);
    }
  }
}

TileLayout layout(const TileMap* map) {
  TileLayout layout;
  memcpy(&layout, map, sizeof(layout));
  return layout;
}

void make(const TileCopy& copy) {
  if (copy.from) {
    memcpy(copy.to, copy.from, copy.bytes);
  } else {
    each_element(copy.map, shared_address(copy.to), copy.at, [](char* to, char* from) {
      from ? memcpy(to, from, 2) : memset(to, 0, 2);
    });
  }
  Barrier& barrier = barriers.at(copy.barrier);
  barrier.bytes -= copy.bytes;
  complete(barrier);
}

void make(const TileStore& store) {
  each_element(store.map, shared_address(store.from), store.at, [](char* from, char* to) {
    if (to) {
      memcpy(to, from, 2);
    }
  });
}

// An element of an operand that a descriptor tells of: `line` is a row of a or a column of b.
float element(u64 tile, int along, int line, int k, bool bf16) {
  u32 first = (u32)(tile & 0x3fff) << 4;
  u32 leading = (u32)(tile >> 16 & 0x3fff) << 4;
  u32 stride = (u32)(tile >> 32 & 0x3fff) << 4;
  u32 offset = along == 0 ? line / 8 * stride + line % 8 * 128 + 2 * k
                          : line / 64 * leading + k / 8 * stride + k % 8 * 128 + line % 64 * 2;
  return decoded(shared(first + offset), bf16);
}

void make(const Product& product) {
  u32 thread = threadIdx.x % 128;
  int row = (int)(thread / 32 * 16 + thread % 32 / 4);
  float a[2][16];
  memcpy(a, product.a, sizeof(a));
  for (int lower = 0; lower < 2 && !product.pairs; lower++) {
    for (int k = 0; k < 16; k++) {
      a[lower][k] = element(product.a_tile, product.a_along, row + 8 * lower, k, product.bf16);
    }
  }
  for (int i = 0; i < product.count; i += 4) {
    for (int odd = 0; odd < 2; odd++) {
      int column = 2 * i + (int)thread % 4 * 2 + odd;
      double sums[2] = {};
      for (int k = 0; k < 16; k++) {
        double b = element(product.b_tile, product.b_along, column, k, product.bf16);
        sums[0] += a[0][k] * b;
        sums[1] += a[1][k] * b;
      }
      for (int lower = 0; lower < 2; lower++) {
        float& d = product.d[i + 2 * lower + odd];
        d = (float)(sums[lower] + (product.accumulate ? d : 0));
      }
    }
  }
}

}  // namespace

char* tiles_memory() {
  return dynamic_shared;
}

unsigned shared_address(const void* pointer) {
  return (u32)((const char*)pointer - dynamic_shared);
}

void barrier_init(u64* barrier, unsigned arrivals) {
  barriers[barrier] = {arrivals, arrivals, 0, 0, false};
}

void barrier_arrive(u64* barrier) {
  barriers.at(barrier).pending--;
  complete(barriers.at(barrier));
}

void barrier_expect(u64* barrier, unsigned bytes) {
  barriers.at(barrier).bytes += bytes;
  barrier_arrive(barrier);
}

void barrier_wait(u64* barrier, unsigned parity) {
  while (barriers.at(barrier).phase == parity) {
    barriers.at(barrier).awaited = true;
    yield();
  }
}

void copy_tile(void* to, const TileMap* map, u64* barrier, int x, int y, int z, int batch) {
  TileLayout tiles = layout(map);
  u32 bytes = (u32)(2 * tiles.box[0] * tiles.box[1]);
  memset(to, 0xff, bytes); // NaN
  under_way.push_back({(char*)to, tiles, nullptr, bytes, {x, y, z, batch}, barrier});
}

void copy_bytes(void* to, const void* from, unsigned bytes, u64* barrier) {
  memset(to, 0xff, bytes);
  under_way.push_back({(char*)to, {}, (const char*)from, bytes, {}, barrier});
}

// Copies are made that threads wait for; the others may take longer.
void copies_go_on() {
  std::vector<TileCopy> later;
  for (const TileCopy& copy : under_way) {
    if (barriers.at(copy.barrier).awaited) {
      make(copy);
    } else {
      later.push_back(copy);
    }
  }
  under_way = later;
  for (auto& barrier : barriers) {
    barrier.second.awaited = false;
  }
}

void store_tile(const TileMap* map, const void* from, int x, int y, int z, int batch) {
  stores[threadIdx.x].push_back({layout(map), (const char*)from, {x, y, z, batch}});
}

void stores_wait_read(int pending) {
  std::vector<TileStore>& own = stores[threadIdx.x];
  while ((int)own.size() > pending) {
    make(own.front());
    own.erase(own.begin());
  }
}

void end_of_block() {
  if (!under_way.empty()) {
    fprintf(stderr, "a block ends before its tiles are copied\n");
    abort();
  }
  for (std::vector<TileStore>& own : stores) {
    if (!own.empty()) {
      fprintf(stderr, "a block ends before its tiles are stored\n");
      abort();
    }
  }
}

void named_sync(int name, unsigned threads) {
  unsigned generation = names[name].generation;
  named_arrive(name, threads);
  while (names[name].generation == generation) {
    yield();
  }
}

void named_arrive(int name, unsigned threads) {
  progress++;
  if (++names[name].arrived == threads) {
    names[name].arrived = 0;
    names[name].generation++;
  }
}

unsigned pair_bf16(float low, float high) {
  return to_bf16(low) | (u32)to_bf16(high) << 16;
}

unsigned pair_f16(float low, float high) {
  return to_f16(low) | (u32)to_f16(high) << 16;
}

void begin_product(
    float* d, int count, bool bf16, u64 a, u64 b, int accumulate, int a_along, int b_along) {
  u32 thread = threadIdx.x;
  products[thread].push_back(
      {d, count, bf16, false, {}, a, b, accumulate, a_along, b_along, groups[thread]});
}

void begin_product_of_pairs(float* d, int count, bool bf16, const unsigned (&a)[4], u64 b) {
  u32 quad[4][4];
  give_lanes(a, quad);
  Product product = {d, count, bf16, true, {}, 0, b, 1, 0, 1, groups[threadIdx.x]};
  for (int lower = 0; lower < 2; lower++) {
    for (int k = 0; k < 16; k++) {
      u32 pair = quad[k % 8 / 2][lower + k / 8 * 2];
      unsigned short bits = (unsigned short)(pair >> k % 2 * 16);
      product.a[lower][k] = decoded((const char*)&bits, bf16);
    }
  }
  products[threadIdx.x].push_back(product);
}

void products_commit() {
  groups[threadIdx.x]++;
}

void products_wait(int pending) {
  std::vector<Product>& own = products[threadIdx.x];
  int end = groups[threadIdx.x] - pending;
  size_t done = 0;
  for (; done < own.size() && own[done].group < end; done++) {
    make(own[done]);
  }
  own.erase(own.begin(), own.begin() + (long)done);
}
